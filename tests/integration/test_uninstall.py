"""uninstall deletes an installation completely, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.command import called
from support.fork_server import PROGRAM, run_forked

from streamflow.database import attach
from streamflow.database.embedded import remove_server
from streamflow.database.server_folder import find_folders_outside, find_server_folders
from streamflow.files.home_catalog import load_home_catalog, remember_catalog
from streamflow.services.running_stack import take_lock


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A state folder with a server that has run, and that nobody uses."""
    path = tmp_path / "home"
    with attach(path):
        pass
    yield path
    if path.is_dir():
        remove_server(path)


def test_the_folders_are_named_and_deleted_and_a_second_time_there_is_nothing(home: Path) -> None:
    outside = find_folders_outside(home)
    assert bool(outside) == (os.geteuid() == 0)
    (home / "logs").mkdir()
    (home / "logs" / "api.log").write_text("x" * 5_000_000)
    remember_catalog(home, load_home_catalog(home, None))
    plan = called(home, "uninstall", "--dry-run")
    assert plan.returncode == 0
    assert all(f"  {path} (" in plan.stdout for path in (home, *outside))
    assert (home / "logs" / "api.log").is_file()
    done = called(home, "uninstall", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert receipt["is_deleted"] is True
    assert [folder["path"] for folder in receipt["folders"]] == [str(p) for p in (home, *outside)]
    assert receipt["folders"][0]["bytes"] > 5_000_000
    assert not any(path.exists() for path in (home, *outside))
    again = called(home, "uninstall", "--yes")
    assert (again.returncode, again.stdout) == (
        0,
        f"[OK] nothing to delete: {home} does not exist\n",
    )


def test_it_asks_and_no_is_no(home: Path) -> None:
    def uninstall(typed: str) -> subprocess.CompletedProcess[str]:
        words = ("--home", str(home), "uninstall")
        return run_forked(PROGRAM, *words, environment=os.environ, typed=typed)

    no = uninstall("n\n")
    assert no.returncode == 1
    assert no.stdout.startswith(f"This deletes:\n  {home} (")
    assert no.stdout.endswith("[NO] nothing was deleted\n")
    nobody = uninstall("")
    assert nobody.returncode == 1
    assert find_server_folders(home).data.is_dir()
    yes = uninstall("y\n")
    assert yes.returncode == 0, yes.stderr
    assert not home.exists()


def test_json_needs_an_answer_beforehand(home: Path) -> None:
    assert called(home, "uninstall", "--json").returncode == 2
    assert home.is_dir()


def test_it_refuses_while_another_process_uses_the_database(home: Path) -> None:
    with attach(home):
        refused = called(home, "uninstall", "--yes")
    assert refused.returncode == 31
    assert f"another process uses the database of {home}" in refused.stderr
    assert called(home, "uninstall", "--yes").returncode == 0
    assert not home.exists()


def test_it_refuses_while_services_are_up(home: Path) -> None:
    lock = take_lock(home)
    assert lock is not None
    refused = called(home, "uninstall", "--yes")
    assert refused.returncode == 31
    assert "Run 'streamflow down'" in refused.stderr
    os.close(lock)
    assert home.is_dir()


def test_a_folder_of_yours_is_never_deleted(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "logs").mkdir(parents=True)
    refused = called(tmp_path / "mine", "uninstall", "--yes")
    assert refused.returncode == 31
    assert "is not a state folder of streamflow" in refused.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["logs"]
    (home / "notes.txt").write_text("mine")
    refused = called(home, "uninstall", "--yes")
    assert refused.returncode == 31
    assert "did not make: notes.txt" in refused.stderr
    assert find_server_folders(home).data.is_dir()


def test_a_link_is_deleted_and_what_it_names_is_kept(home: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model").write_text("mine")
    (home / "artifacts").symlink_to(tmp_path / "models")
    assert called(home, "uninstall", "--yes").returncode == 0
    assert (tmp_path / "models" / "model").read_text() == "mine"
    assert not home.exists()


def test_a_note_that_names_another_folder_is_not_believed(home: Path, tmp_path: Path) -> None:
    remove_server(home)
    (tmp_path / "mine").mkdir()
    (home / "postgres.location").write_text(f"{tmp_path / 'mine'}\n")
    called(home, "uninstall", "--yes")
    assert (tmp_path / "mine").is_dir()


def test_a_server_of_yours_is_never_touched(
    cluster: Any, installation: str, tmp_path: Path
) -> None:
    variables = cluster.variables(installation, tmp_path / "state")
    assert called(tmp_path / "state", "doctor", "--fix", extra=variables).stdout
    (tmp_path / "state" / "feast").mkdir(parents=True, exist_ok=True)
    (tmp_path / "state" / "feast" / "feature_store.yaml").touch()
    done = called(tmp_path / "state", "uninstall", "--yes", extra=variables)
    assert done.returncode == 0, done.stderr
    assert f'DROP DATABASE "{installation}";' in done.stdout
    assert f'DROP DATABASE "{installation}_mlflow";' in done.stdout
    assert not (tmp_path / "state").exists()
    with psycopg.connect(variables["STREAMFLOW_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_last_line_of_settings_says_where_the_database_lies(home: Path) -> None:
    last_line = called(home, "settings").stdout.splitlines()[-1]
    data = find_server_folders(home).data
    assert last_line.startswith(f"The embedded PostgreSQL keeps the database in {data}.")
    assert ("not in the state folder" in last_line) == (os.geteuid() == 0)
