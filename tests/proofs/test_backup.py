"""Backups while everything else runs: in each of them MLflow and the ledger say the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from conftest import Cluster
from support.chain import JANUARY, run

from streamflow.database import connect
from streamflow.platform import Platform, open_platform
from streamflow.steps.stages.transitions import version_in_stage
from streamflow.steps.upkeep.backup import backup
from streamflow.steps.upkeep.restore import restore

BACKUPS = int(os.environ.get("STREAMFLOW_PROOF_BACKUPS", "10"))

TRAIN = """
from datetime import UTC, datetime
from streamflow.platform import open_platform
from streamflow.settings import load_settings
from streamflow.steps.promotion.promote import promote
from streamflow.steps.training.train import train
with open_platform(load_settings(trees=2, bootstrap_draws=50)) as platform:
    while True:
        version = train(platform, datetime(2024, 1, 31, tzinfo=UTC)).version
        print(version, flush=True)
        promote(platform, version, force=True, why="a proof of something else")
"""
LOAD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from streamflow.platform import open_platform
from streamflow.settings import load_settings
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.snapshot import snapshot
with open_platform(load_settings()) as platform:
    for day in range(1, 29):
        ingest(platform, Path(sys.argv[1]), datetime(2024, 2, day, tzinfo=UTC), allow_same=True)
        snapshot(platform, datetime(2024, 2, day, tzinfo=UTC))
        materialize(platform)
"""


@pytest.fixture
def busy(
    platform: Platform, cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that train and promote, and one that loads a drop a day, without a pause."""
    run(platform, simulated_drops / "month_000", JANUARY)
    environment = {**os.environ, **cluster.variables(platform.login.database, platform.home)}
    work = [[TRAIN], [TRAIN], [LOAD, str(simulated_drops / "month_001")]]
    with (tmp_path / "busy.log").open("w") as log:
        processes = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", *words],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            for words in work
        ]
    for process in processes[:2]:
        assert process.stdout is not None
        assert process.stdout.readline(), (
            tmp_path / "busy.log"
        ).read_text()  # its first version is registered
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def recorded_digests(platform: Platform) -> set[tuple[object, ...]]:
    """The digest of each revision and of each passport. Neither ever changes; both become more."""
    revisions = platform.connection.execute(
        "SELECT table_name, as_of, revision, known_at, rows, digest FROM streamflow.revision"
    )
    passports = platform.connection.execute(
        "SELECT version, run_id, digest FROM streamflow.passport"
    )
    return {*revisions, *passports}


def count_of_revisions(platform: Platform) -> int:
    row = platform.connection.execute("SELECT count(*) FROM streamflow.revision").fetchone()
    assert row is not None
    return int(row[0])


def test_every_backup_is_one_coherent_state(
    busy: list[subprocess.Popen[str]], platform: Platform, cluster: Cluster, tmp_path: Path
) -> None:
    pairs = set()
    for number in range(BACKUPS):
        file, name = tmp_path / f"{number}.backup", f"sf_test_{uuid4().hex[:12]}"
        backup(platform, file)
        assert [process.poll() for process in busy[:2]] == [None, None], (
            tmp_path / "busy.log"
        ).read_text()
        with open_platform(
            cluster.settings(name, tmp_path / name), must_be_migrated=False
        ) as target:
            receipt = restore(target, file)  # verifies every revision and every model
            versions = {
                (v.version, v.run_id, v.tags["passport_digest"]) for v in target.models.versions()
            }
            passports = set(
                target.connection.execute(
                    "SELECT version, run_id, digest FROM streamflow.passport"
                ).fetchall()
            )
            promoted = target.connection.execute(
                "SELECT version FROM streamflow.promotion ORDER BY id DESC LIMIT 1"
            ).fetchone()
            production = version_in_stage(target)
            target.models.close()
            assert versions == passports
            assert recorded_digests(target) <= recorded_digests(platform)
            assert receipt.revisions_verified == count_of_revisions(target)
            assert (production.version,) == promoted if production else promoted is None
            assert receipt.models_verified == len(versions)
            with connect(target.login) as connection:
                live = connection.execute(
                    "SELECT count(DISTINCT as_of) FROM online.subs_profile_fv"
                ).fetchone()
            assert live == (1,)
        pairs.add(len(versions))
        cluster.drop(name)
        time.sleep(0.1)
    assert len(pairs) > BACKUPS // 4, "the trainings did not go on while backups were made"
