"""Installations in a state that many tests begin with.

A state is prepared once in a run. Each test gets a copy of its databases and its artifacts.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import polars as pl
from conftest import TEMPLATE, Cluster

from streamflow.database import connect
from streamflow.models.artifact_locations import location_prefixes, rewrite_statements
from streamflow.platform import Platform, open_platform
from streamflow.steps.promotion.promote import promote
from streamflow.steps.serving.score import score
from streamflow.steps.training.train import train
from support.chain import FEBRUARY, JANUARY, copy_drop, in_production, load, run
from support.shared import once, shared_folder

THRESHOLDS = {1: 0.3, 2: 0.4, 3: 0.5}  # by which the three versions are told apart


@dataclass(frozen=True, kw_only=True)
class State:
    """How an installation is prepared from the simulated drops, and with which settings."""

    name: str
    prepare: Callable[[Platform, Path], object]
    settings: Mapping[str, object] = field(default_factory=dict)


def _load_nothing(platform: Platform, drops: Path) -> None:
    """Leave the installation as it is."""


def _train_january(platform: Platform, drops: Path) -> None:
    load(platform, drops / "month_000", JANUARY)
    train(platform, JANUARY)


def _freeze_two_months(platform: Platform, drops: Path) -> None:
    load(platform, drops / "month_000", JANUARY)
    load(platform, drops / "month_001", FEBRUARY)
    train(platform, JANUARY)


def _serve_january(platform: Platform, drops: Path) -> None:
    run(platform, drops / "month_000", JANUARY)
    in_production(platform, JANUARY)


def _train_three_versions(platform: Platform, drops: Path) -> None:
    run(platform, drops / "month_000", JANUARY)
    for version, threshold in THRESHOLDS.items():
        values = {"seed": version, "threshold": threshold}
        train(replace(platform, settings=platform.settings.model_copy(update=values)), JANUARY)
    promote(platform, 1, force=True, why="the first")


KEY_WITH_SIGNS = "=a/<script>?&ü"  # the first user of February in the state SCORED


def _score_two_months(platform: Platform, drops: Path) -> None:
    _serve_january(platform, drops)
    is_first = pl.int_range(pl.len()) == 0
    key = pl.when(is_first).then(pl.lit(KEY_WITH_SIGNS)).otherwise(pl.col("user_id"))
    tables = [path.stem for path in (drops / "month_001").glob("*.csv")]
    changes = {table: {"user_id": key} for table in tables}
    february = copy_drop(drops / "month_001", platform.home / "february", **changes)
    run(platform, february, FEBRUARY)
    score(platform, JANUARY)
    score(platform, FEBRUARY, explain=True)


# Nothing was loaded.
MIGRATED = State(name="migrated", prepare=_load_nothing, settings={"trees": 10})
# January is frozen; version 1 is trained on it. Nothing is live.
JANUARY_TRAINED = State(name="trained", prepare=_train_january, settings={"trees": 5})
# January and February are frozen; version 1 is of January. Nothing is live.
TWO_MONTHS = State(name="two", prepare=_freeze_two_months, settings={"trees": 10})
# January is live; version 1 of it is in Production.
JANUARY_SERVED = State(name="served", prepare=_serve_january, settings={"trees": 10})
# January and February are scored by version 1 of January, February with reasons; both have labels.
SCORED = State(name="scored", prepare=_score_two_months, settings={"trees": 10})
# January is live; of three versions with thresholds of their own, the first is in Production.
THREE_VERSIONS = State(
    name="three", prepare=_train_three_versions, settings={"trees": 10, "calibration": "none"}
)


@contextmanager
def in_state(
    cluster: Cluster, state: State, drops: Path, home: Path, **settings: object
) -> Iterator[Platform]:
    """A platform on an installation of its own in this state.

    The settings are those with which the state was prepared, and these.
    """
    name = f"sf_{state.name}_{uuid4().hex[:12]}"
    copy_state(cluster, state, drops, name, home)
    with open_platform(cluster.settings(name, home, **{**state.settings, **settings})) as platform:
        yield platform
    cluster.drop(name)


def copy_state(cluster: Cluster, state: State, drops: Path, name: str, home: Path) -> None:
    """Make the databases and the artifacts of an installation in this state."""

    def make() -> str:
        template = f"sf_{state.name}_{uuid4().hex[:12]}"
        cluster.clone(template)
        settings = cluster.settings(template, shared_folder() / template, **state.settings)
        with open_platform(settings) as platform:
            state.prepare(platform, drops)
        return template

    template = once(f"{TEMPLATE} {state.name}", make)
    replace(cluster, template=template).clone(name)
    prepared, artifacts = shared_folder() / template / "artifacts", home / "artifacts"
    if prepared.is_dir():
        shutil.copytree(prepared, artifacts)
    else:  # there are none before the first training
        artifacts.mkdir(parents=True)
    statements = rewrite_statements(location_prefixes(prepared), artifacts.as_uri())
    with connect(cluster.address.with_database(f"{name}_mlflow"), autocommit=True) as connection:
        connection.execute(statements)
