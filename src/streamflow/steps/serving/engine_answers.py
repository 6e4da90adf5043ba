"""Answer the rows of a drop on the engine: the join and the predictor run on its workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from streamflow.core.data.contract import polars_type
from streamflow.features.drop_features import as_of_column
from streamflow.models.processors import use_one_processor
from streamflow.models.sending import allow_sending
from streamflow.platform import Platform
from streamflow.spark import point_in_time
from streamflow.spark.mapping import Tasks, map_rows
from streamflow.spark.point_in_time import JoinedView, PointInTimeJoin
from streamflow.spark.session import SparkEngine
from streamflow.steps.data.engine_rows import EngineRows
from streamflow.steps.data.worker_installation import PREDICTING_PACKAGES, check_installation
from streamflow.steps.serving.answers import AnswerRule
from streamflow.steps.serving.score_task import ScoreTask

INSTANT_TYPE = pl.Datetime("us", "UTC")
# Each task starts with some work that does not depend on its rows, so it needs many of them. Spark
# divides by a hash, so the tasks differ in size; it gives a worker at most 10,000 rows at a time.
ROWS_PER_TASK = 5_000
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
    """

    rule: AnswerRule
    names: dict[str, str]
    instants: tuple[str, ...]

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Answer rows, as the local engine does."""
        typed_rows = rows.with_columns(pl.col(self.instants).cast(INSTANT_TYPE))
        columns = [pl.col(column).alias(name) for column, name in self.names.items()]
        with use_one_processor():
            answers = self.rule.answer(typed_rows.select(columns))
        return answers.with_columns(
            pl.col("features_as_of").dt.epoch("us"), pl.col("prediction").cast(pl.Int32)
        )


def answer_on_engine(
    platform: Platform, engine: SparkEngine, task: ScoreTask, rule: AnswerRule
) -> Iterator[pl.DataFrame]:
    """Yield the answers for all keys of a task, computed on the engine, in any order.

    Raises:
        EngineFailed: the server could not compute them.
    """
    find_table = EngineRows(platform, engine).find_table
    population = task.population
    keys = find_table(population.table, {}, (population.as_of, population.revision))
    join = PointInTimeJoin(engine, polars_type(platform.catalog.entity.type), find_table)
    statement = join.compose(keys, _list_views(task))
    work = check_installation(_plan_work(task, rule), PREDICTING_PACKAGES)
    allow_sending()
    tasks = Tasks(-(-population.rows // ROWS_PER_TASK), point_in_time.KEY)
    answers = engine.read(map_rows(engine, statement, work, ANSWER_COLUMNS, tasks=tasks))
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
    return ScoreWork(rule=rule, names=names, instants=tuple(instants))
