"""Proof: {local, Sail} x {PostgreSQL, lake} give equal digests and reproduce the same versions.

The drops are the real ones, and simulated ones with nulls, a correction of the first month that
came late and lacks users, and a user who was forgotten. `test_spark.py` holds Apache Spark against
the same local results.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from conftest import Cluster
from pydantic import SecretStr
from support.chain import FEBRUARY, JANUARY, MARCH, copy_drop, load
from support.spark_servers import sail_server

from streamflow.core.data.digest import digest_frame
from streamflow.platform import Platform, open_platform
from streamflow.settings import Settings
from streamflow.steps.data.engine import open_step_engine
from streamflow.steps.data.forget import forget
from streamflow.steps.data.frozen_checks import held_against_digests
from streamflow.steps.data.simulate import simulate
from streamflow.steps.serving import score as score_step
from streamflow.steps.serving.score_task import plan_scoring
from streamflow.steps.training.train import train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.upkeep.backup import backup
from streamflow.steps.upkeep.move_to_lake import move_to_lake
from streamflow.steps.upkeep.restore import restore
from streamflow.steps.versions.rebuild_verdict import IDENTICAL
from streamflow.steps.versions.reproduce import reproduce
from streamflow.warehouse.lake_revisions import revisions_in_lake

USERS = 1_000
REMOVED_USERS = 100
TREES = 20
SETS: dict[str, list[tuple[Any, dict[str, int]]]] = {
    "real": [(JANUARY, {}), (FEBRUARY, {"months": 2})],
    "simulated": [(JANUARY, {}), (JANUARY, {"label_lead": 2}), (MARCH, {"months": 3})],
}
SCORE_TYPES = {"key": "string", "probability": "float"}


def load_real(platform: Platform, drops: Path) -> None:
    for number, as_of in enumerate((JANUARY, FEBRUARY)):
        load(platform, drops / f"month_{number:03d}", as_of)


def make_simulated(folder: Path) -> Path:
    simulate(folder, users=USERS, months=3, seed=16, notify=lambda _: None)
    every_third = pl.int_range(pl.len()) % 3 == 0
    tv = pl.when(every_third).then(None).otherwise(pl.col("plan_stream_tv"))
    late = copy_drop(folder / "month_000", folder / "late", subscriptions={"plan_stream_tv": tv})
    for path in late.glob("*.csv"):
        pl.read_csv(path, infer_schema=False).slice(REMOVED_USERS).write_csv(path)
    return folder


def load_simulated(platform: Platform, drops: Path) -> None:
    for number, as_of in enumerate((JANUARY, FEBRUARY, MARCH)):
        load(platform, drops / f"month_{number:03d}", as_of)
    load(platform, drops / "late", JANUARY)
    users = pl.read_csv(drops / "late/users.csv", infer_schema=False)["user_id"]
    forget(platform, users[0], why="asked for")


@dataclass(frozen=True, kw_only=True)
class Four:
    """The four ways to compute: on PostgreSQL and on the lake, here and on the engine.

    One installation at a time is open: Feast and MLflow learn from the environment which it is.
    """

    kind: str
    local: Settings
    lake: Settings
    remote: str

    def on_engine(self, settings: Settings) -> Settings:
        # `with_values` would take every setting as given, and no default would come of the catalog.
        values = {"engine": "spark", "spark_remote": SecretStr(self.remote)}
        return settings.model_copy(update=values)

    @property
    def ways(self) -> dict[str, Settings]:
        return {
            "local, PostgreSQL": self.local,
            "Sail, PostgreSQL": self.on_engine(self.local),
            "local, lake": self.lake,
            "Sail, lake": self.on_engine(self.lake),
        }


@pytest.fixture(scope="module", params=SETS)
def four(
    request: pytest.FixtureRequest, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Four]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "real":
        drops, load_all = request.getfixturevalue("real_drops"), load_real
    else:
        drops, load_all = make_simulated(folder / "drops"), load_simulated
    made = {}
    for place, lake in (("local", None), ("lake", str(folder / "lake"))):
        name = f"sf_four_{uuid4().hex[:12]}"
        cluster.clone(name)
        made[place] = cluster.settings(name, folder / name, trees=TREES, lake=lake)
        with open_platform(made[place]) as platform:
            load_all(platform, drops)
            assert bool(revisions_in_lake(platform.connection)) == (lake is not None)
            if lake is None:
                train(platform, JANUARY)
    with sail_server() as remote:
        yield Four(kind=request.param, remote=remote, **made)
    for settings in made.values():
        cluster.drop(name_of(settings))


def name_of(settings: Settings) -> str:
    return settings.mlflow_database.removesuffix("_mlflow")


def test_equal_revisions(four: Four) -> None:
    query = (
        "SELECT table_name, as_of, revision, rows, digest FROM streamflow.revision ORDER BY 1,2,3"
    )
    found = []
    for settings in (four.local, four.lake):
        with open_platform(settings) as platform:
            found.append(platform.connection.execute(query).fetchall())
    assert found[0] == found[1]
    print(f"\n{four.kind}: {len(found[0])} revisions are equal")


def test_equal_training_sets(four: Four) -> None:
    for as_of, options in SETS[four.kind]:
        digests = []
        for name, settings in four.ways.items():
            with open_platform(settings) as platform:
                digests.append(training_set(platform, as_of, **options).digest)
            print(f"\n{four.kind} {as_of:%Y-%m} {options} {name}: {digests[-1][:16]}", flush=True)
        assert len(set(digests)) == 1


def score_digest(platform: Platform, version: int) -> str:
    task = plan_scoring(platform, FEBRUARY, version, explain=False)
    engine = open_step_engine(platform)
    with held_against_digests(platform, task.revisions, state="", engine=engine):
        answers = pl.concat(score_step._answer_chunks(platform, task, 20_000, engine))
    return digest_frame(answers.select(*SCORE_TYPES), key="key", types=SCORE_TYPES).value


def test_versions_are_equal_and_reproduced_elsewhere(
    four: Four, cluster: Cluster, tmp_path: Path
) -> None:
    """A version of the lake and the engine is reproduced without them, and the other way round."""
    file = tmp_path / "state.backup"
    with open_platform(four.on_engine(four.lake)) as platform:
        trained = train(platform, JANUARY)
        backup(platform, file)
    digests = []
    for settings in four.ways.values():
        with open_platform(settings) as platform:
            digests.append(score_digest(platform, 1))
    assert len(set(digests)) == 1
    name = f"sf_four_{uuid4().hex[:12]}"
    cluster.make_empty(name)
    target = cluster.settings(name, tmp_path / "restored", trees=TREES)
    with open_platform(target, must_be_migrated=False) as platform:
        restore(platform, file)
    with open_platform(target) as platform:
        assert revisions_in_lake(platform.connection) == {}
        here = reproduce(platform, str(trained.version))
    cluster.drop(name)
    moved = four.local.model_copy(update={"lake": str(tmp_path / "lake of the first")})
    with open_platform(moved) as platform:
        assert move_to_lake(platform).revisions > 0
    with open_platform(four.on_engine(moved)) as platform:
        there = reproduce(platform, "1")
    print(
        f"\n{four.kind}: four scores {digests[0][:16]}; trained on the lake by Sail and made"
        f" again locally: {here.result}; the other way round: {there.result}"
    )
    assert (here.result, there.result) == (IDENTICAL, IDENTICAL)
