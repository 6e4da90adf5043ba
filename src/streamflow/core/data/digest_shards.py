"""The digest of a table in shards: each is computed for itself, and all of them are put together.

A shard is a range of the 256 buckets. Rows of one shard can be digested on a different machine than
those of the next one, because the digest of a bucket depends on its own rows alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from streamflow.core.data.digest import (
    BUCKET,
    BUCKETS,
    DIGEST_BYTES,
    ColumnDigest,
    Digester,
    TableDigest,
    Types,
)

ROWS_PER_SHARD = 65_536


@dataclass(frozen=True, kw_only=True)
class ShardDigest:
    """The digest of the rows of one shard.

    Attributes:
        shard: the number of the shard, from 0 on.
        rows: how many rows it has.
        buckets: column -> the digests of the buckets of the shard, 32 bytes each.
    """

    shard: int
    rows: int
    buckets: Mapping[str, bytes]


def choose_shard_count(rows: int) -> int:
    """Return into how many shards a table is divided: a power of two, so that 256 is a multiple.

    >>> choose_shard_count(7_043), choose_shard_count(1_000_000), choose_shard_count(10**9)
    (1, 16, 256)
    """
    shards = 1
    while shards < BUCKETS and shards * ROWS_PER_SHARD < rows:
        shards *= 2
    return shards


def split_into_shards(rows: pl.DataFrame, shards: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the rows of each shard that has some. `rows` has the column BUCKET."""
    shard_of_row = rows[BUCKET].cast(pl.Int32) * shards // BUCKETS
    for shard in shard_of_row.unique().sort():
        yield shard, rows.filter(shard_of_row == shard)


def digest_shard(
    rows: pl.DataFrame,
    *,
    key: str,
    types: Types,
    shard: int,
    shards: int,
) -> ShardDigest:
    """Return the digest of all rows of a shard.

    Args:
        rows: the rows in any order, with the column BUCKET.
        key: the column with the key.
        types: the columns of the digest.
        shard: the number of the shard.
        shards: how many shards the table has.
    """
    key_text = pl.col(key).cast(pl.String)
    in_order = rows.sort(BUCKET, key_text)
    digester = Digester(key, types)
    digester.update(in_order, in_order[BUCKET])
    digest = digester.finish()
    own_bytes = _find_bytes(shard, shards)
    buckets = {}
    for column in digest.columns:
        buckets[column.name] = column.buckets[own_bytes]
    return ShardDigest(shard=shard, rows=digest.rows, buckets=buckets)


def join_shards(shard_digests: Iterable[ShardDigest], *, types: Types, shards: int) -> TableDigest:
    """Return the digest of a table from those of its shards. A shard without rows may be absent."""
    no_rows = Digester("", types).finish()
    buckets = {}
    for column in no_rows.columns:
        buckets[column.name] = bytearray(column.buckets)
    row_count = 0
    for shard_digest in shard_digests:
        row_count += shard_digest.rows
        own_bytes = _find_bytes(shard_digest.shard, shards)
        for name, own_buckets in shard_digest.buckets.items():
            buckets[name][own_bytes] = own_buckets
    columns = []
    for name, content in buckets.items():
        column = ColumnDigest(name=name, type=types[name], buckets=bytes(content))
        columns.append(column)
    return TableDigest(rows=row_count, columns=tuple(columns))


def _find_bytes(shard: int, shards: int) -> slice:
    """Return where the digests of the buckets of a shard are in those of a column."""
    length = DIGEST_BYTES * BUCKETS // shards
    begin = shard * length
    return slice(begin, begin + length)
