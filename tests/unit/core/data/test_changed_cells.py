"""Changed cells: exactly the changed cell of a table is named, without its former value."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from streamflow.core.data.changed_cells import (
    ROW_DIGEST,
    UNKNOWN,
    find_changed_cells,
    find_suspect_columns,
)
from streamflow.core.data.digest import assign_buckets, compute_row_digests, digest_frame

TYPES = {"key": "string", "a": "int", "b": "float", "c": "bool", "d": "string", "e": "date"}
SCHEMA = {
    "key": pl.String,
    "a": pl.Int64,
    "b": pl.Float64,
    "c": pl.Boolean,
    "d": pl.String,
    "e": pl.Date,
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "a": st.none() | st.integers(-5, 5),
    "b": st.none() | st.sampled_from([0.0, 29.85, 29.850000000000001, -1e-300]),
    "c": st.none() | st.booleans(),
    "d": st.none() | st.sampled_from(["", "DSL", "Zoë"]),
    "e": st.none() | st.sampled_from([date(2024, 1, 31), date(2024, 2, 29)]),
}


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    keys = draw(
        st.lists(st.text("abcd", min_size=1, max_size=4), min_size=1, max_size=12, unique=True)
    )
    rows = [{"key": key, **{name: draw(values) for name, values in VALUES.items()}} for key in keys]
    return pl.DataFrame(rows, schema=SCHEMA)


def said(
    before: pl.DataFrame, after: pl.DataFrame, raw: pl.DataFrame
) -> list[tuple[str, str | None, str | None, str]]:
    """What is said of `after`, whose rows carry the digests of `before`."""
    where = find_suspect_columns(
        digest_frame(before, key="key", types=TYPES), digest_frame(after, key="key", types=TYPES)
    )
    stored = before.select("key").with_columns(
        pl.Series(ROW_DIGEST, compute_row_digests(before, types=TYPES), pl.Binary)
    )
    now = after.join(stored, on="key", how="left").filter(
        pl.Series(assign_buckets(after["key"])).is_in(list(where))
    )
    found = find_changed_cells(
        now,
        raw,
        where,
        recorded=digest_frame(before, key="key", types=TYPES),
        key="key",
        types=TYPES,
    )
    return [(d.what, d.recorded, d.now, d.note) for d in found]


def shown(value: object) -> str:
    return "null" if value is None else str(value)


@given(tables(), st.data())
def test_exactly_the_changed_cells_are_named(table: pl.DataFrame, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(table) - 1))
    name = data.draw(st.sampled_from(sorted(VALUES)))
    value = data.draw(VALUES[name])
    rows = table.to_dicts()
    before = rows[number][name]
    rows[number][name] = value
    after = pl.DataFrame(rows, schema=SCHEMA)
    key = rows[number]["key"]
    if value == before:
        assert said(table, after, table) == []
        return
    assert said(table, after, table) == [(f"{key} {name}", shown(before), shown(value), "")]
    assert said(table, after, pl.DataFrame()) == [
        (f"{key} {name}", "not known", shown(value), UNKNOWN)
    ]
    moved = table.with_columns(
        a=pl.col("a").fill_null(0) + 100
    )  # the drop was delivered anew since
    assert said(table, after, moved) == [(f"{key} {name}", "not known", shown(value), UNKNOWN)]


@given(tables())
def test_nothing_is_said_of_what_is_as_it_was(table: pl.DataFrame) -> None:
    assert said(table, table.reverse(), table) == []
