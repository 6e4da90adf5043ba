"""The digest of a table in shards is that of the whole table."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from streamflow.core.data.digest import BUCKET, assign_buckets, digest_frame
from streamflow.core.data.digest_shards import digest_shard, join_shards, split_into_shards

TYPES = {
    "key": "string",
    "whole": "int",
    "real": "float",
    "flag": "bool",
    "word": "string",
    "day": "date",
    "at": "timestamp",
}
ROWS = 900


def draw_rows() -> pl.DataFrame:
    draws = np.random.default_rng(5)
    order = draws.permutation(ROWS)
    rows = pl.DataFrame(
        {
            "key": [f"ü{number}" for number in order],
            "whole": draws.integers(-(2**63), 2**63 - 1, ROWS),
            "real": draws.normal(size=ROWS) / 3,
            "flag": draws.random(ROWS) < 0.5,
            "word": [f"é{number % 7}" for number in order],
            "day": [date(1900 + int(number) % 200, 1, 1) for number in order],
            "at": [datetime(1950 + int(number) % 100, 1, 1, 2, tzinfo=UTC) for number in order],
        }
    )
    is_null = pl.Series(draws.random(ROWS) < 0.2)
    nulls = [pl.when(~is_null).then(pl.col(name)).alias(name) for name in list(TYPES)[1:]]
    buckets = pl.Series(BUCKET, assign_buckets(rows["key"]))
    return rows.with_columns(*nulls, buckets)


@pytest.mark.parametrize("shards", [1, 4, 256])
@pytest.mark.parametrize("row_count", [0, 1, ROWS])
def test_shards_in_any_order_give_the_digest_of_the_table(shards: int, row_count: int) -> None:
    rows = draw_rows().head(row_count)
    parts = [
        digest_shard(shard_rows, key="key", types=TYPES, shard=shard, shards=shards)
        for shard, shard_rows in split_into_shards(rows, shards)
    ]
    joined = join_shards(reversed(parts), types=TYPES, shards=shards)
    assert joined == digest_frame(rows, key="key", types=TYPES)
    assert (len(parts) > 1) == (shards > 1 and row_count > 1)


def test_rows_of_a_different_shard_or_a_row_that_comes_twice_give_a_different_digest() -> None:
    rows = draw_rows()
    parts = dict(split_into_shards(rows, 2))
    moved = [
        digest_shard(parts[1 - shard], key="key", types=TYPES, shard=shard, shards=2)
        for shard in (0, 1)
    ]
    joined = join_shards(moved, types=TYPES, shards=2)
    assert joined.value != digest_frame(rows, key="key", types=TYPES).value
    once, twice = (
        digest_shard(shard_rows, key="key", types=TYPES, shard=0, shards=2)
        for shard_rows in (parts[0], pl.concat([parts[0], parts[0].head(1)]))
    )
    assert once.rows + 1 == twice.rows
    assert once.buckets["key"] != twice.buckets["key"]
