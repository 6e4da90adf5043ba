"""doctor: each planted fault is named, --fix mends those that it may, and changes nothing else."""

from __future__ import annotations

import gc
import json
import os
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.api import served
from support.chain import FEBRUARY, JANUARY, database_digest, load, run
from support.command import called
from support.processes import wait_for

from streamflow.catalog import DEFAULT_PATH
from streamflow.database import attach, find_orphaned_servers
from streamflow.database.embedded import remove_server
from streamflow.database.server_folder import find_server_folders
from streamflow.platform import Platform, open_platform
from streamflow.settings import Settings, load_settings
from streamflow.steps.data.ingest import ingest
from streamflow.steps.upkeep.doctor import Finding, doctor, repair
from streamflow.steps.upkeep.doctor.machine import check_leftovers

# What a table cell says of an installation that has loaded its first drop: no version yet.
NO_VERSION = "no version"


def now() -> datetime:
    return datetime.now(UTC)


def look(settings: Settings) -> dict[str, Finding]:
    """All but what other installations of this machine left: no test may see or touch that."""
    return {
        finding.subject: finding
        for finding in doctor(settings, now=now)
        if finding.subject != "leftovers"
    }


def wrong(found: dict[str, Finding]) -> set[str]:
    return {subject for subject, finding in found.items() if finding.is_wrong}


def noted(found: dict[str, Finding]) -> dict[str, str]:
    return {subject: finding.text for subject, finding in found.items() if finding.state == "note"}


def fixed(settings: Settings) -> list[str]:
    return repair(settings, look(settings).values())


@pytest.fixture
def settings(cluster: Any, installation: str, tmp_path: Path, simulated_drops: Path) -> Settings:
    """An installation with January loaded, on a free port."""
    made: Settings = cluster.settings(installation, tmp_path / "home", api_port=0)
    with open_platform(made) as platform:
        run(platform, simulated_drops / "month_000", JANUARY)
    return made


def administer(settings: Settings, statement: str) -> None:
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def content(settings: Settings) -> dict[str, str]:
    with open_platform(settings, must_be_migrated=False) as platform:
        return database_digest(platform.connection)


def test_a_healthy_installation_lacks_only_a_version_and_is_not_changed(settings: Settings) -> None:
    before = content(settings)
    found = look(settings)
    assert wrong(found) == set(), {s: f for s, f in found.items() if f.is_wrong}
    assert noted(found) == {"Production": NO_VERSION}
    assert len(found) == 26
    assert all(
        f"{name} " in found["versions"].text
        for name in ("mlflow", "feast", "prefect", "fastapi", "scikit-learn", "polars")
    )
    assert repair(settings, found.values()) == []
    assert content(settings) == before


def test_a_disabled_trigger_a_foreign_owner_and_a_lost_grant_are_named_and_left_to_a_person(
    settings: Settings,
) -> None:
    administer(
        settings,
        "ALTER TABLE frozen.users DISABLE TRIGGER frozen;"
        " DROP TRIGGER frozen ON streamflow.revision",
    )
    administer(
        settings,
        "ALTER TABLE frozen.labels OWNER TO streamflow_writer; REVOKE INSERT ON raw.users"
        " FROM streamflow_writer",
    )
    found = look(settings)
    assert wrong(found) == {"protection", "roles"}
    assert "frozen.users has no enabled trigger" in found["protection"].text
    assert "streamflow.revision has no enabled trigger" in found["protection"].text
    assert "frozen.labels is owned by the writer role" in found["protection"].text
    assert "GRANT SELECT, INSERT, DELETE ON raw.users TO streamflow_writer" in found["roles"].remedy
    assert repair(settings, found.values()) == []


def test_a_changed_catalog_is_migrated(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    added = "[tables.users.columns]\nnickname = { type = 'string', nullable = true }\n"
    path.write_text(DEFAULT_PATH.read_text().replace("[tables.users.columns]\n", added))
    changed = settings.model_copy(update={"catalog": path})
    found = look(changed)
    assert wrong(found) == {"migration", "tables"}
    assert "column frozen.users.nickname text" in found["tables"].text
    assert any(
        "column frozen.users.nickname text" in words for words in repair(changed, found.values())
    )
    assert wrong(look(changed)) == set()
    assert wrong(look(settings)) == set()  # the installation remembers its catalog
    back = look(settings.model_copy(update={"catalog": DEFAULT_PATH}))
    assert wrong(back) == {"migration"}
    assert back["migration"].text == (
        f"this installation uses {path}; this command would use {DEFAULT_PATH}"
    )
    assert noted(back)["tables"] == "frozen and no longer in the catalog: users.nickname"


def test_what_a_stock_apply_of_edited_files_did_is_mended(settings: Settings) -> None:
    before = content(settings)
    definitions = settings.home / "feast" / "definitions.py"
    text = definitions.read_text()
    with open_platform(settings) as platform:
        definitions.write_text(
            f"{text}del usage_agg_30d_fv_view, {platform.catalog.service}_service\n"
        )
        platform.features.apply()
    found = look(settings)
    assert wrong(found) == {"feature files", "Feast registry", "live features"}
    assert "definitions.py" in found["feature files"].text
    assert "view usage_agg_30d_fv" in found["Feast registry"].text
    assert "service streamflow_churn_" in found["Feast registry"].text
    assert found["live features"].text == "not those of the newest snapshot: usage_agg_30d_fv"
    assert repair(settings, found.values()) == [
        "wrote and applied the feature repository",
        "materialized 4 views as of 2024-01-31",
    ]
    assert definitions.read_text() == text
    assert wrong(look(settings)) == set()
    assert content(settings) == before


def test_an_edited_file_alone_is_written_again(settings: Settings) -> None:
    before = content(settings)
    definitions = settings.home / "feast" / "definitions.py"
    text = definitions.read_text()
    definitions.write_text(text.replace("days=62", "days=9"))
    assert wrong(look(settings)) == {"feature files"}
    assert fixed(settings) == ["wrote and applied the feature repository"]
    assert (definitions.read_text(), content(settings)) == (text, before)


def test_a_missing_snapshot_is_named_and_a_stale_online_store_is_filled(
    settings: Settings, simulated_drops: Path
) -> None:
    with open_platform(settings) as platform:
        ingest(platform, simulated_drops / "month_001", FEBRUARY)
    found = look(settings)
    assert wrong(found) == {"drops"}
    assert "2024-02-29 has no snapshot of labels, payments" in found["drops"].text
    assert found["drops"].remedy == "Run 'streamflow snapshot --as-of 2024-02-29'."
    assert repair(settings, found.values()) == []
    with open_platform(settings) as platform:
        load(platform, simulated_drops / "month_001", FEBRUARY)
    assert wrong(look(settings)) == {"live features"}
    assert fixed(settings) == ["materialized 4 views as of 2024-02-29"]
    assert wrong(look(settings)) == set()


def test_a_taken_port_is_told_from_our_own_api(settings: Settings, platform: Platform) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = settings.model_copy(update={"api_port": other.getsockname()[1]})
        assert "taken by another program" in look(taken)["port"].text
    with served(platform, until="/health") as base:
        ours = look(settings.model_copy(update={"api_port": int(base.rsplit(":", 1)[1])}))["port"]
        assert (ours.state, ours.text.split(": ")[1]) == ("ok", "our API answers")


def test_an_api_that_asks_for_a_key_is_no_other_program(
    settings: Settings, platform: Platform
) -> None:
    with served(platform, until="/health", extra={"STREAMFLOW_API_AUTH": "on"}) as base:
        port = int(base.rsplit(":", 1)[1])
        guarded = look(settings.model_copy(update={"api_port": port}))["port"]
    assert (guarded.state, guarded.text.split(": ")[1]) == (
        "ok",
        "an API that asks for a key answers",
    )


def test_the_command_shows_the_states_and_ends_with_0_on_a_new_installation(
    settings: Settings, cluster: Any, installation: str
) -> None:
    variables = {**cluster.variables(installation, settings.home), "STREAMFLOW_API_PORT": "0"}
    table = called(settings.home, "doctor", extra=variables)
    assert table.returncode == 0, table.stdout
    assert re.search(r"│ note +│ Production +│ no version", table.stdout)
    said = called(settings.home, "doctor", "--json", extra=variables)
    states = {one["subject"]: one["state"] for one in json.loads(said.stdout)["findings"]}
    assert (states["Python"], states["Production"]) == ("ok", "note")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        variables["STREAMFLOW_API_PORT"] = str(taken.getsockname()[1])
        table = called(settings.home, "doctor", extra=variables)
    assert table.returncode == 1
    assert re.search(r"│ WRONG +│ port ", table.stdout)


def test_a_database_that_does_not_answer_hides_nothing_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        url = "postgresql://nobody@127.0.0.1:1/none"
        found = look(
            load_settings(
                home=tmp_path / "home", database_url=url, api_port=port, inbox=tmp_path / "absent"
            )
        )
    assert wrong(found) == {"PostgreSQL", "port", "inbox"}
    assert found["PostgreSQL"].remedy == "Start the server, or correct STREAMFLOW_DATABASE_URL."
    assert not (tmp_path / "home").exists()


# Feast leaves the connections of a registry that it cannot open to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*psycopg.Connection.* was deleted while still open")
def test_a_missing_column_hides_nothing_else_whichever_driver_notices_it(
    settings: Settings,
) -> None:
    """psycopg, ADBC and SQLAlchemy: each has errors of its own."""
    administer(settings, "ALTER TABLE frozen.subscriptions DROP COLUMN monthly_fee CASCADE")
    administer(settings, "ALTER TABLE feast.feature_views DROP COLUMN feature_view_proto")
    found = look(settings)
    gc.collect()
    assert {"tables", "frozen rows", "Feast registry"} <= wrong(found)
    assert "monthly_fee" in found["frozen rows"].text
    assert found["Feast registry"].text.startswith("column feature_views.feature_view_proto")
    assert len(found) == 26


def test_a_broken_catalog_hides_neither_the_server_nor_its_protection(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "broken.toml").write_text("model = 1")
    found = look(settings.model_copy(update={"catalog": tmp_path / "broken.toml"}))
    assert wrong(found) == {"catalog"}
    assert {"PostgreSQL", "roles", "protection", "clock"} <= found.keys()


def test_clocks_that_are_apart_and_a_known_at_ahead_are_findings(settings: Settings) -> None:
    def late() -> datetime:
        return now() - timedelta(minutes=1)

    apart = next(f for f in doctor(settings, now=late) if f.subject == "clock")
    assert (apart.state, apart.text) == ("WRONG", "60.0 s from the database's")
    administer(
        settings,
        "SET ROLE streamflow_maintenance; UPDATE streamflow.revision"
        " SET known_at = known_at + interval '1 day'",
    )
    ahead = look(settings)["clock"]
    assert ahead.is_wrong
    assert "is ahead of it" in ahead.text


def test_a_home_that_others_may_write_and_mlflow_of_another_version_are_findings(
    settings: Settings,
) -> None:
    settings.home.chmod(0o777)
    with (
        open_platform(settings) as platform,
        psycopg.connect(
            platform.login.with_database(settings.mlflow_database).conninfo(), autocommit=True
        ) as connection,
    ):
        (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or (
            "",
        )
        connection.execute("UPDATE alembic_version SET version_num = 'older'")
        found = look(settings)
        connection.execute("UPDATE alembic_version SET version_num = %s", [version])
    assert {"home", "MLflow"} <= wrong(found)
    assert found["home"].remedy == f"Run 'chmod go-w {settings.home}'."
    assert found["MLflow"].text == f"tables of version older, needed is {version}"


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "embedded"
    remove_server(tmp_path / "embedded")


def test_a_folder_where_nothing_is_yet_is_left_alone_and_made_by_fix(embedded: Path) -> None:
    settings = load_settings(home=embedded, api_port=0)
    found = look(settings)
    assert wrong(found) == {"migration"}
    assert not embedded.exists()
    assert len(repair(settings, found.values())) > 5
    after = look(settings)
    assert wrong(after) == set()
    assert noted(after) == {"drops": "none", "Production": NO_VERSION}
    assert "embedded, its guard is alive" in after["PostgreSQL"].text


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only as root the server's files lie outside the state folder"
)
def test_a_leftover_is_what_no_state_folder_notes(embedded: Path, tmp_path: Path) -> None:
    with attach(embedded):
        root = find_server_folders(embedded).root
        assert not any(one.root == root for one in find_orphaned_servers())
        embedded.rename(tmp_path / "moved")
        # A server that runs is in use, wherever its state folder is now.
        assert not any(one.root == root for one in find_orphaned_servers())
    assert wait_for(lambda: any(one.root == root for one in find_orphaned_servers()))
    (leftover,) = (one for one in find_orphaned_servers() if one.root == root)
    assert leftover.home == embedded
    finding = check_leftovers(load_settings(home=tmp_path / "new", api_port=0))
    # A note about a different installation: it does not make `doctor` end with exit code 1.
    assert (finding.state, finding.fixable) == ("note", False)
    assert finding.text.startswith("server folders whose state folder is gone: ")
    assert f"{root} of {embedded}" in finding.text
    assert str(root) in finding.remedy
    with attach(tmp_path / "moved"):  # its first command says where it is now
        assert not any(one.root == root for one in find_orphaned_servers())
    remove_server(tmp_path / "moved")
    assert not root.exists()
