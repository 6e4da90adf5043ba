"""The point-in-time join against a loop over the rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.features import point_in_time_join as module
from streamflow.features.point_in_time_join import AS_OF, INSTANT, point_in_time_join

START = datetime(2024, 1, 1, tzinfo=UTC)
STAMP = pl.Datetime("us", "UTC")
KEYS = st.sampled_from(["a", "b", "c", None])
DAYS = st.integers(0, 9)
HISTORY_SCHEMA = {"key": pl.String, AS_OF: STAMP, "value": pl.Int64}

Rows = list[tuple[str | None, int]]  # (key, day)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def join(
    asked: Rows, frozen: dict[tuple[str | None, int], int], ttl: timedelta | None
) -> list[Any]:
    entities = pl.DataFrame(
        [(key, day(number)) for key, number in asked],
        schema={"key": pl.String, INSTANT: STAMP},
        orient="row",
    )
    history = pl.DataFrame(
        [(key, day(number), value) for (key, number), value in frozen.items()],
        schema=HISTORY_SCHEMA,
        orient="row",
    )
    return point_in_time_join(entities, history, keys=["key"], ttl=ttl)["value"].to_list()


def oracle(
    asked: Rows, frozen: dict[tuple[str | None, int], int], ttl: timedelta | None
) -> list[int | None]:
    values = []
    for key, number in asked:
        days = [d for (k, d) in frozen if k is not None and k == key and d <= number]
        newest = max(days, default=None)
        is_old = newest is not None and ttl is not None and timedelta(days=number - newest) > ttl
        values.append(None if newest is None or is_old else frozen[key, newest])
    return values


@pytest.mark.parametrize("most", [0, 64], ids=["as of each instant", "equality first"])
@given(
    asked=st.lists(st.tuples(KEYS, DAYS), max_size=8),
    frozen=st.dictionaries(st.tuples(KEYS, DAYS), st.integers(0, 99), max_size=12),
    ttl=st.sampled_from([None, timedelta(days=0), timedelta(days=3)]),
    has_key_order=st.booleans(),
)
def test_both_ways_equal_the_loop(
    most: int,
    asked: Rows,
    frozen: dict[tuple[str | None, int], int],
    ttl: timedelta | None,
    has_key_order: bool,
) -> None:
    if has_key_order:  # as `ingest` writes the rows of a drop; then they are merged
        asked = sorted(row for row in asked if row[0] is not None)  # type: ignore[type-var]
        frozen = {k: frozen[k] for k in sorted(k for k in frozen if k[0] is not None)}  # type: ignore[type-var]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_EQUALITIES", most)
        assert join(asked, frozen, ttl) == oracle(asked, frozen, ttl)


def test_keys_in_the_order_of_the_frozen_rows() -> None:
    frozen = {("a", 1): 1, ("b", 1): 2, ("c", 1): 3, ("a", 5): 4, ("b", 5): 5, ("c", 5): 6}
    asked: Rows = [(key, number) for number in (4, 6) for key in "abc"]
    assert join(asked, frozen, None) == [1, 2, 3, 4, 5, 6]
    assert join([*asked, (None, 6)], {**frozen, (None, 5): 7}, None) == [1, 2, 3, 4, 5, 6, None]


@pytest.mark.parametrize("most", [0, 64], ids=["as of each instant", "equality first"])
@pytest.mark.parametrize("keys", ["ba", "ab"], ids=["hashed", "merged"])
def test_of_several_rows_of_a_key_and_an_instant_the_last_one_counts(
    monkeypatch: pytest.MonkeyPatch, most: int, keys: str
) -> None:
    monkeypatch.setattr(module, "MAX_EQUALITIES", most)
    entities = pl.DataFrame(
        {"key": list(keys), INSTANT: [day(3)] * 2}, schema_overrides={INSTANT: STAMP}
    )
    history = pl.DataFrame(
        [("a", day(1), number) for number in range(100)] + [("b", day(1), 200)],
        schema=HISTORY_SCHEMA,
        orient="row",
    )
    joined = point_in_time_join(entities, history, keys=["key"], ttl=None)
    assert joined["value"].to_list() == [{"a": 99, "b": 200}[key] for key in keys]
