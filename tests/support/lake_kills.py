"""Installations with a lake that are killed in the middle of a step, and what must hold then."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import polars as pl
import psycopg
from conftest import Cluster

from streamflow.database import connect, from_url
from streamflow.platform import Platform, open_platform
from streamflow.steps.data.lake_cleaning import clean_lake, count_unneeded_files
from streamflow.steps.upkeep.doctor.contents import check_frozen_rows, check_lake
from streamflow.steps.upkeep.doctor.finding import State
from streamflow.warehouse.lake_revisions import has_lake_tables, revisions_in_lake
from support.chain import copy_drop
from support.kills import content
from support.processes import wait_for
from support.step_points import STEPS, KilledSteps

REMOVED_USERS = 10
LAKE_ROWS = "SELECT table_name, as_of, revision, label, positives FROM streamflow.lake_revision"
SCORES = "SELECT as_of, version, rows, digest FROM streamflow.score_run"
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


@dataclass(frozen=True, kw_only=True)
class SavedState:
    """A state from which steps begin: a template of the databases, and a copy of the lake."""

    template: str
    lake: Path


class LakeBench:
    """Does steps on installations with a lake, each from a saved state, disturbed or not."""

    def __init__(self, cluster: Cluster, folder: Path, drops: Path, **settings: object) -> None:
        self._cluster = cluster
        self._settings = settings
        self.folder = folder
        self.lake = folder / "lake"
        self.lake.mkdir(parents=True)
        shutil.copytree(drops, folder / "drops")
        late = copy_drop(
            drops / "month_000", folder / "drops/late", subscriptions={"plan_stream_tv": NULLS}
        )
        for path in late.glob("*.csv"):
            pl.read_csv(path, infer_schema=False).slice(REMOVED_USERS).write_csv(path)
        self._templates: list[str] = []

    def close(self) -> None:
        for template in self._templates:
            self._cluster.drop(template)

    def save_first(self, template: str) -> SavedState:
        """The state of a new installation, whose lake is empty."""
        self.empty_lake()
        return SavedState(template=template, lake=self._copy_lake())

    def save(self, state: SavedState, *steps: str, with_lake: bool = True) -> SavedState:
        """The state after some steps on a different state."""
        template = f"sf_lake_{uuid4().hex[:12]}"
        self.begin(state, template)
        self._templates.append(template)
        for step in steps:
            with self.opened(template, with_lake=with_lake) as platform:
                STEPS[step](platform, self.folder)
        return SavedState(template=template, lake=self._copy_lake())

    def save_killed(self, state: SavedState, step: str, point: str) -> SavedState:
        """The state after a step that was killed."""
        template = f"sf_lake_{uuid4().hex[:12]}"
        self.begin(state, template)
        self._templates.append(template)
        self.forks(template).kill_at(step, point)
        self.wait_for_sessions(template)
        return SavedState(template=template, lake=self._copy_lake())

    def _copy_lake(self) -> Path:
        copy = self.folder / f"lake-{uuid4().hex[:8]}"
        shutil.copytree(self.lake, copy)
        return copy

    def empty_lake(self) -> None:
        shutil.rmtree(self.lake)
        self.lake.mkdir()

    def begin(self, state: SavedState, name: str) -> None:
        """Make an installation in a state. The lake of the bench becomes the one of this state."""
        shutil.rmtree(self.lake)
        shutil.copytree(state.lake, self.lake)
        replace(self._cluster, template=state.template).clone(name)

    @contextmanager
    def begun(self, state: SavedState) -> Iterator[str]:
        name = f"sf_kill_{uuid4().hex[:12]}"
        self.begin(state, name)
        yield name
        self._cluster.drop(name)

    @contextmanager
    def opened(self, name: str, *, with_lake: bool = True, **flags: Any) -> Iterator[Platform]:
        settings = self._cluster.settings(
            name, self.folder / name, **self._settings, lake=str(self.lake) if with_lake else None
        )
        with open_platform(settings, **flags) as platform:
            yield platform

    def forks(self, name: str, **settings: object) -> KilledSteps:
        named = {**self._settings, **settings, "lake": self.lake}
        variables = self._cluster.variables(name, self.folder / name)
        variables |= {f"STREAMFLOW_{key.upper()}": str(value) for key, value in named.items()}
        return KilledSteps(self.folder, variables)

    def wait_for_sessions(self, name: str) -> None:
        """Wait until PostgreSQL has ended the sessions of a process that was killed."""
        with connect(self._cluster.address, autocommit=True) as connection:
            assert wait_for(lambda: connection.execute(SESSIONS, [name]).fetchone() == (0,))

    def content(self, name: str) -> Mapping[str, object]:
        """What an undisturbed and a repeated step must have in common."""
        address = from_url(self._cluster.variables(name, self.folder)["STREAMFLOW_DATABASE_URL"])
        with psycopg.connect(address.conninfo(), autocommit=True) as connection:
            in_lake = sorted(connection.execute(LAKE_ROWS).fetchall())
            scored = sorted(connection.execute(SCORES).fetchall())
        return {**content(address.with_role("none")), "lake": in_lake, "scores": scored}


NULLS = pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise(pl.col("plan_stream_tv"))


def find_unneeded(platform: Platform, lake: Path) -> set[str]:
    """Find the files of a lake that nothing needs, by what Iceberg itself says of each snapshot.

    The folder is of one installation.
    """
    needed = set()
    catalog = platform.lake._catalog
    revisions = list(revisions_in_lake(platform.connection).values())
    for name in catalog.list_tables("streamflow"):
        table = catalog.load_table(name)
        needed.add(table.metadata_location)
        needed |= {entry.metadata_file for entry in table.metadata.metadata_log}
        kept = [each.snapshot_id for each in revisions if each.table == name[-1]]
        main = table.metadata.refs.get("main")
        for snapshot_id in [*kept, *([main.snapshot_id] if main else [])]:
            snapshot = table.snapshot_by_id(snapshot_id)
            assert snapshot is not None
            needed.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(table.io):
                needed.add(manifest.manifest_path)
                for entry in manifest.fetch_manifest_entry(table.io):
                    needed.add(entry.data_file.file_path)
    names = {path.removeprefix("file://") for path in needed}
    return {str(path) for path in list_files(lake)} - names


def list_files(lake: Path) -> list[Path]:
    return [path for path in lake.rglob("*") if path.is_file()]


def check_after_kill(platform: Platform, lake: Path) -> int:
    """After a kill nothing is half, and `doctor` says of each file that nothing needs it.

    The folder of a table that is not made yet has at most a metadata file. No command needs it,
    and the next one makes the table there.
    """
    frozen_rows = check_frozen_rows(platform, full=True)
    assert frozen_rows.state is State.OK, frozen_rows.text
    if not has_lake_tables(platform.connection):
        assert all(path.name.endswith(".metadata.json") for path in list_files(lake))
        return 0
    made = {
        platform.lake._catalog.load_table(name).location()
        for name in platform.lake._catalog.list_tables("streamflow")
    }
    unneeded = find_unneeded(platform, lake)
    elsewhere = {
        path for path in unneeded if not any(location in f"file://{path}" for location in made)
    }
    assert all(path.endswith(".metadata.json") for path in elsewhere)
    assert count_unneeded_files(platform) == len(unneeded - elsewhere), sorted(unneeded)
    assert check_lake(platform).is_wrong == bool(unneeded - elsewhere)
    return len(unneeded)


def check_at_end(platform: Platform, lake: Path) -> None:
    """After `doctor --fix` every file of the lake is needed, and the rows are the recorded ones."""
    clean_lake(platform)
    assert check_lake(platform).state is State.OK
    assert find_unneeded(platform, lake) == set()
    assert check_frozen_rows(platform, full=True).state is State.OK


def choose_points(points: Sequence[str], count: int, draw: Random) -> list[str]:
    """Choose one point of each name, and some more. They count from 1."""
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(points, 1):
        numbers.setdefault(name, []).append(number)
    chosen = {draw.choice(of_name) for of_name in numbers.values()}
    others = [number for number in range(1, len(points) + 1) if number not in chosen]
    chosen |= set(draw.sample(others, min(count, len(others))))
    return [str(number) for number in sorted(chosen)]
