"""The second engine computes the aggregates that plain Python does, to the bit."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from support.events import USERS, aggregate_payments, events_catalog, random_payments

from streamflow.core.data.contract import value_expression
from streamflow.core.data.event_aggregates import (
    EVENT_ROW,
    EVENT_TIME,
    aggregate_events,
    no_events,
)

AS_OF = datetime(2024, 1, 31, tzinfo=UTC)
AGGREGATES = events_catalog().events["payments"].aggregates
KEYS = pl.Series("user_id", USERS)


def values_of(lines: list[str]) -> pl.DataFrame:
    """The events with the value of each expression of CATALOG_TEXT, as PostgreSQL gives them."""
    names = ("user_id", "time", "status", "amount", "points")
    cells = [line.split(",") for line in lines]
    rows = pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String), orient="row")
    rows = rows.with_row_index(EVENT_ROW).with_columns(
        value_expression(pl.col("time"), "timestamp").alias(EVENT_TIME),
        value_expression(pl.col("amount"), "float").alias("amount"),
        value_expression(pl.col("points"), "int").alias("points"),
    )
    has_failed = pl.col("status") == "failed"
    values = rows.select(
        "user_id",
        EVENT_TIME,
        EVENT_ROW,
        payments=pl.lit(value=True),
        failed_90d=has_failed,
        paid_30d="amount",
        points_sum="points",
        mean_amount="amount",
        last_status="status",
        last_amount_7d="amount",
        last_paid=EVENT_TIME,
        days_since_failed=has_failed,
    )
    return values.sort("user_id", EVENT_ROW)


def cells_of(frame: pl.DataFrame) -> dict[str, list[str]]:
    """User -> each aggregate, written so that different bits are different texts."""
    return {
        row.pop("user_id"): [
            value.isoformat() if isinstance(value, datetime) else repr(value)
            for value in row.values()
        ]
        for row in frame.iter_rows(named=True)
    }


@pytest.mark.parametrize("seed", range(20))
def test_random_events_give_the_aggregates_of_plain_python(seed: int) -> None:
    lines = random_payments(seed, 300, AS_OF)
    expected = pl.DataFrame(
        [{"user_id": user, **aggregate_payments(lines, AS_OF, user)} for user in USERS],
        infer_schema_length=None,
    )
    found = aggregate_events(values_of(lines), KEYS, AS_OF, AGGREGATES)
    assert cells_of(found) == cells_of(expected)


def test_without_events_each_key_has_a_row() -> None:
    found = aggregate_events(no_events(KEYS, AGGREGATES), KEYS, AS_OF, AGGREGATES)
    assert found.rows() == [(user, 0, 0, 0.0, 0, *[None] * 5) for user in USERS]
    assert (
        found.schema
        == aggregate_events(
            values_of(random_payments(1, 50, AS_OF)), KEYS, AS_OF, AGGREGATES
        ).schema
    )


def test_a_key_that_is_not_asked_for_has_no_row() -> None:
    values = values_of(["zoe,2024-01-30 10:00:00.0,ok,1,1"])
    assert aggregate_events(values, KEYS[:0], AS_OF, AGGREGATES).is_empty()
