"""Answer the rows of a drop on the engine: the join and the predictor run on its workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

import polars as pl
import pyarrow as pa

from streamflow.core.data.contract import polars_type
from streamflow.features.drop_features import as_of_column
from streamflow.models.sending import allow_sending
from streamflow.platform import Platform
from streamflow.runtime import code_digest
from streamflow.spark import point_in_time
from streamflow.spark.mapping import map_rows
from streamflow.spark.point_in_time import JoinedView
from streamflow.spark.session import SparkEngine
from streamflow.steps.serving.answers import AnswerRule
from streamflow.steps.serving.score_task import ScoreTask
from streamflow.steps.training.feature_reading import frozen_reader, start_join

# The packages that compute a probability or a reason.
COMPUTING_PACKAGES = ("numpy", "polars", "scikit-learn", "scipy", "treelite")
INSTANT_TYPE = pl.Datetime("us", "UTC")
# What a worker returns of each row. An instant is a whole number of microseconds.
ANSWER_COLUMNS = {
    "key": pa.string(),
    "features_as_of": pa.int64(),
    "probability": pa.float64(),
    "prediction": pa.int32(),
    "missing": pa.string(),
    "defaulted": pa.string(),
    "reasons": pa.string(),
}


@dataclass(frozen=True, kw_only=True)
class ScoreWork:
    """What a worker does with some joined rows.

    Attributes:
        names: column on the engine -> its name in a frame of features.
        instants: the columns of these that are instants.
        code: the digest of the code that sends this work.
        versions: package -> its version where this work is sent from.
    """

    rule: AnswerRule
    names: dict[str, str]
    instants: tuple[str, ...]
    code: str
    versions: dict[str, str]

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Answer rows, as the local engine does.

        Raises:
            ValueError: the code of this worker, or a package, is not that of the command.
        """
        self._require_equal_installation()
        typed_rows = rows.with_columns(pl.col(self.instants).cast(INSTANT_TYPE))
        columns = [pl.col(column).alias(name) for column, name in self.names.items()]
        answers = self.rule.answer(typed_rows.select(columns))
        return answers.with_columns(
            pl.col("features_as_of").dt.epoch("us"), pl.col("prediction").cast(pl.Int32)
        )

    def _require_equal_installation(self) -> None:
        """Raise ValueError unless this worker computes with the code and packages of the command.

        Two versions can give two answers, and `score` does not score the same rows again.
        """
        if code_digest() != self.code:
            raise ValueError(
                "this worker has a different code of streamflow than the command: install the same"
                " version on the workers, and start them again"
            )
        for package, installed in read_versions().items():
            if installed != self.versions[package]:
                raise ValueError(
                    f"this worker has {package} {installed}, and the command has"
                    f" {self.versions[package]}: install the same version on the workers, and"
                    " start them again"
                )


@cache
def read_versions() -> dict[str, str]:
    """Return the versions of the packages that compute an answer."""
    return {package: version(package) for package in COMPUTING_PACKAGES}


def answer_on_engine(
    platform: Platform, engine: SparkEngine, task: ScoreTask, rule: AnswerRule
) -> Iterator[pl.DataFrame]:
    """Yield the answers for all keys of a task, computed on the engine, in any order.

    Raises:
        EngineFailed: the server could not compute them.
    """
    key = platform.catalog.entity.key
    read_rows = frozen_reader(platform)
    population = task.population
    keys = read_rows(population.table, [key], [(population.as_of, population.revision)])[key]
    join = start_join(engine, platform.catalog, read_rows)
    statement = join.compose(keys, _list_views(task))
    work = _plan_work(task, rule)
    allow_sending()
    answers = engine.read(map_rows(engine, statement, work, ANSWER_COLUMNS))
    yield answers.with_columns(
        pl.col("features_as_of").cast(INSTANT_TYPE), pl.col("prediction").cast(pl.Int16)
    )


def _list_views(task: ScoreTask) -> list[JoinedView]:
    views = []
    for view in task.views:
        features = {}
        for name in view.features:
            features[name] = polars_type(task.feature_types[name])
        views.append(JoinedView(table=view.table, features=features, revisions=view.revisions))
    return views


def _plan_work(task: ScoreTask, rule: AnswerRule) -> ScoreWork:
    """Name the columns of the join as the rule knows them."""
    names = {point_in_time.KEY: rule.key}
    instants = []
    for view_number, view in enumerate(task.views):
        instant = point_in_time.as_of_column(view_number)
        instants.append(instant)
        names[instant] = as_of_column(view.name)
        for number, feature in enumerate(view.features):
            names[point_in_time.feature_column(view_number, number)] = feature
    return ScoreWork(
        rule=rule,
        names=names,
        instants=tuple(instants),
        code=code_digest(),
        versions=read_versions(),
    )
