"""The join in Spark SQL gives the values of the join in polars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.spark_servers import sail_server

from streamflow.features import point_in_time_join as local
from streamflow.spark.point_in_time import DropRevision, JoinedView, PointInTimeJoin
from streamflow.spark.session import SparkEngine, open_engine

AS_OF = datetime(2024, 6, 30, tzinfo=UTC)
INSTANT_TYPE = pl.Datetime("us", "UTC")
# `Fee` and `fee` are one name for Spark SQL; the third one would end a quoted name.
FEATURES = {"fee": pl.Float64, "Fee": pl.Int64, 'a`b"; --': pl.String, "flag": pl.Boolean}
DAYS = (0, 30, 61)  # before AS_OF
KEYS = 200


@pytest.fixture(scope="module")
def engine() -> Iterator[SparkEngine]:
    with sail_server() as remote, closing(open_engine(remote)) as opened:
        yield opened


def draw_history(seed: int) -> dict[DropRevision, pl.DataFrame]:
    """Revisions with nulls, in each of which a third of the keys is missing."""
    draws = np.random.default_rng(seed)
    history = {}
    for number, days in enumerate(DAYS, start=1):
        rows = pl.DataFrame(
            {
                "user": [f"ü{i}" for i in range(KEYS)],
                "fee": draws.normal(size=KEYS) / 3,
                "Fee": draws.integers(-(2**62), 2**62, KEYS),
                'a`b"; --': [f"'{value}\\" for value in draws.integers(0, 9, KEYS)],
                "flag": draws.random(KEYS) < 0.5,
            }
        )
        for name in FEATURES:
            is_null = pl.Series(draws.random(KEYS) < 0.2)
            rows = rows.with_columns(pl.when(~is_null).then(pl.col(name)).alias(name))
        history[AS_OF - timedelta(days=days), number] = rows.filter(draws.random(KEYS) < 2 / 3)
    return history


def test_the_join_has_the_values_of_polars(engine: SparkEngine) -> None:
    history = draw_history(1)
    reads: list[DropRevision] = []

    def read(table: str, columns: list[str], revision: DropRevision) -> pl.DataFrame:
        assert table == "usage"
        reads.append(revision)
        return history[revision].select(columns)

    # Keys that come twice, in no order, and one that no revision has.
    keys = pl.Series("user", ["nobody", *(f"ü{i % KEYS}" for i in range(3 * KEYS, 0, -2))])
    join = PointInTimeJoin(engine, "user", read)
    for revisions in pairwise([*history, None]):
        chosen = tuple(revision for revision in revisions if revision is not None)
        view = JoinedView(table="usage", features=FEATURES, revisions=chosen)
        joined = join.join(keys, [view])
        assert_frame_equal(joined, join_in_polars(keys, history, chosen))
        assert 0 < joined["flag"].null_count() < len(keys)
    assert sorted(reads) == sorted(history)  # each one was sent once


def join_in_polars(
    keys: pl.Series, history: dict[DropRevision, pl.DataFrame], chosen: tuple[DropRevision, ...]
) -> pl.DataFrame:
    rows = [
        history[revision].with_columns(pl.lit(revision[0]).cast(INSTANT_TYPE).alias(local.AS_OF))
        for revision in chosen
    ]
    instant = pl.lit(AS_OF).cast(INSTANT_TYPE)
    entities = pl.DataFrame({"user": keys}).with_columns(instant.alias(local.INSTANT))
    return local.point_in_time_join(entities, pl.concat(rows), keys=["user"], ttl=None)


def test_a_view_without_a_revision_has_nulls_of_its_types(engine: SparkEngine) -> None:
    full = JoinedView(table="usage", features={"fee": pl.Float64}, revisions=((AS_OF, 1),))
    empty = JoinedView(table="plans", features={"Fee": pl.Int64, "s": pl.String}, revisions=())
    rows = pl.DataFrame({"user": [2**62, 7], "fee": [0.1, None]})
    join = PointInTimeJoin(engine, "user", lambda _table, columns, _revision: rows.select(columns))
    joined = join.join(pl.Series("user", [7, 2**62]), [empty, full])
    expected = {"Fee": [None, None], "s": [None, None], "fee": [None, 0.1]}
    types = {"Fee": pl.Int64, "s": pl.String, "fee": pl.Float64}
    assert_frame_equal(joined, pl.DataFrame(expected, schema=types))


def test_no_key_gives_no_row(engine: SparkEngine) -> None:
    view = JoinedView(table="plans", features={"fee": pl.Float64}, revisions=())
    join = PointInTimeJoin(engine, "user", lambda *_: pl.DataFrame())
    assert join.join(pl.Series("user", [], pl.String), [view]).shape == (0, 1)
