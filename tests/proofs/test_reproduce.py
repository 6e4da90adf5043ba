"""Proof: a version is made again bit for bit.

A training gives the same, whatever varies around it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from conftest import Cluster
from support.chain import JANUARY, load
from support.variations import (
    Variation,
    arrives_otherwise,
    installed_locales,
    lie_otherwise,
    variations,
)

from streamflow.platform import open_platform
from streamflow.steps.training.train import train
from streamflow.steps.versions.export import export
from streamflow.steps.versions.recorded_version import find_recorded_version

SEED, REBUILDS, TRAININGS = 11, 20, 6
READ = "+dac_read_search"  # the capability to read what others own
RESULTS = ("training_set", "training_keys", "holdout_keys", "predictions", "metrics")


def test_twenty_rebuilds(cluster: Cluster, simulated_drops: Path, tmp_path: Path) -> None:
    """All of them run on the frozen rows of one installation.

    The rows lie in a different physical order each time.
    """
    drawn = variations(REBUILDS, seed=SEED)
    print(
        f"\n{REBUILDS} rebuilds, seed {SEED}; clocks varied: {bool(shutil.which('faketime'))};"
        f" locales {installed_locales()}"
    )
    assert rebuilt(cluster, simulated_drops, tmp_path, drawn) == ["identical"] * REBUILDS


def rebuilt(cluster: Cluster, drops: Path, folder: Path, drawn: list[Variation]) -> list[str]:
    """The result of each rebuild; every one is printed."""
    name, said = f"sf_varied_{uuid4().hex[:12]}", []
    cluster.clone(name)
    try:
        with open_platform(cluster.settings(name, folder / "home")) as platform:
            load(platform, drops / "month_000", JANUARY)
            train(platform, JANUARY)
            administrator = platform.login.conninfo()
        for one in drawn:
            lie_otherwise(administrator, one.order)
            done = one.run(
                folder,
                "reproduce",
                "1",
                "--json",
                environment=cluster.variables(name, folder / "home"),
            )
            assert done.returncode == 0, done.stderr + done.stdout
            receipt = json.loads(done.stdout)
            assert [level["verdict"] for level in receipt["levels"]] == ["same"] * 5, receipt
            said.append(receipt["result"])
            print(f"{one}  {receipt['result']}", flush=True)
    finally:
        cluster.drop(name)
    return said


def test_trainings_of_rows_that_arrive_in_any_order(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    """Each runs in its own installation.

    All of the passport is the same, except the instants and the files' digests.
    """
    found = []
    print(f"\n{TRAININGS} trainings, seed {SEED}")
    for one in variations(TRAININGS, seed=SEED + 1):
        name = f"sf_varied_{uuid4().hex[:12]}"
        cluster.clone(name)
        try:
            environment = cluster.variables(name, tmp_path / name)
            drop = arrives_otherwise(
                simulated_drops / "month_000", tmp_path / f"{name}-drop", one.order
            )
            for arguments in (
                ("ingest", str(drop), "--as-of", "2024-01-31"),
                ("snapshot", "--as-of", "2024-01-31"),
            ):
                done = one.run(tmp_path, *arguments, environment=environment)
                assert done.returncode == 0, done.stderr
            done = one.run(tmp_path, "train", "--as-of", "2024-01-31", environment=environment)
            assert done.returncode == 0, done.stderr
            with open_platform(cluster.settings(name, tmp_path / name)) as platform:
                passport = find_recorded_version(platform, "1").passport
        finally:
            cluster.drop(name)
        digests = {(source.table, source.digest) for source in passport.sources}
        found.append(
            (
                passport.result["model"]["content"],
                {r: passport.result[r] for r in RESULTS},
                digests,
                passport.configuration,
            )
        )
        print(f"{one}  {passport.result['model']['content'][:16]}", flush=True)
    assert all(other == found[0] for other in found)


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"),
    reason="only root can work as somebody else, with setpriv",
)
def test_another_user_with_a_server_of_its_own(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    """The version travels as a file.

    PostgreSQL, state folder and every process belong to `nobody`.
    """
    name = f"sf_varied_{uuid4().hex[:12]}"
    cluster.clone(name)
    with open_platform(cluster.settings(name, tmp_path / "home")) as platform:
        load(platform, simulated_drops / "month_000", JANUARY)
        train(platform, JANUARY)
        export(platform, "1", tmp_path / "one.version")
    cluster.drop(name)
    with TemporaryDirectory() as there:
        folder = Path(there)
        folder.chmod(0o755)
        file, home = folder / "one.version", folder / "home of nobody"
        file.write_bytes((tmp_path / "one.version").read_bytes())
        shutil.chown(folder, "nobody")
        shutil.chown(file, "nobody")
        environment = {
            "PATH": os.defpath,
            "HOME": str(folder),
            "STREAMFLOW_HOME": str(home),
            "LC_ALL": "C.UTF-8",
        }
        # The interpreter may lie where only root can read: `nobody` may read it, and root owns
        # nothing else.
        other = [
            "setpriv",
            "--reuid=nobody",
            "--regid=nogroup",
            "--clear-groups",
            f"--inh-caps={READ}",
            f"--ambient-caps={READ}",
        ]
        for arguments in (["import", str(file)], ["reproduce", "1"]):
            command = [*other, sys.executable, "-m", "streamflow", "--quiet", *arguments]
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            print(f"\n{done.stdout.splitlines()[-1]}", end="")
        assert home.stat().st_uid != 0
    assert done.stdout.splitlines()[-1].startswith("[OK] identical")


@pytest.fixture(autouse=True)
def tools() -> None:
    """What sets cores is part of util-linux."""
    assert shutil.which("taskset")
