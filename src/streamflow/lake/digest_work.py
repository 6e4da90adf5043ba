"""The digests of revisions of the lake, computed on the workers of the engine.

First each row group of a file is read, and its rows are divided into shards. The engine brings the
rows of each shard together. Then each shard is digested. No value is a column of the engine: rows
travel as bytes, so that no engine can change one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import polars as pl
import pyarrow as pa

from streamflow.core.data.contract import polars_type
from streamflow.core.data.digest import (
    BUCKET,
    BUCKETS,
    DIGEST_BYTES,
    TableDigest,
    assign_buckets,
)
from streamflow.core.data.digest_shards import (
    ShardDigest,
    digest_shard,
    join_shards,
    split_into_shards,
)
from streamflow.errors import LakeUnavailable, SnapshotDamaged
from streamflow.lake.row_groups import RowGroup, read_row_group

# Rows of one shard of one revision, or what was wrong with a row group.
RUN_COLUMNS = {
    "revision": pa.int32(),
    "shard": pa.int32(),
    "run": pa.binary(),
    "damage": pa.string(),
    "unavailable": pa.string(),
}
# The digest of one shard of one revision, or what was wrong.
SHARD_COLUMNS = {
    "revision": pa.int32(),
    "shard": pa.int32(),
    "row_count": pa.int64(),
    "buckets": pa.binary(),
    "damage": pa.string(),
    "unavailable": pa.string(),
}
NO_SHARD = -1  # of a row that says what was wrong


@dataclass(frozen=True, kw_only=True)
class DigestedRevision:
    """A revision whose digest is computed.

    Attributes:
        key: the name of the key.
        types: the columns that it was frozen with, and their logical types.
        shards: into how many shards its rows are divided.
        row_groups: the row groups of its files.
    """

    key: str
    types: Mapping[str, str]
    shards: int
    row_groups: tuple[RowGroup, ...]


@dataclass(frozen=True, kw_only=True)
class SplitRowGroups:
    """Read one row group after another, and divide its rows. Called with its number."""

    revisions: Sequence[DigestedRevision]
    file_options: Mapping[str, str]

    @property
    def count(self) -> int:
        """How many row groups the revisions have."""
        return sum(len(revision.row_groups) for revision in self.revisions)

    def __call__(self, number: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a row group, divided, with the columns RUN_COLUMNS."""
        position, row_group = self._find_row_group(number)
        try:
            for rows in self._split(position, row_group):
                yield _make_batch(rows, RUN_COLUMNS)
        except SnapshotDamaged as exc:
            yield _make_batch([_describe(position, damage=exc.message)], RUN_COLUMNS)
        except LakeUnavailable as exc:
            yield _make_batch([_describe(position, unavailable=exc.message)], RUN_COLUMNS)

    def _find_row_group(self, number: int) -> tuple[int, RowGroup]:
        """Return the position of the revision that has a row group, and the row group."""
        remaining = number
        for position, revision in enumerate(self.revisions):
            if remaining < len(revision.row_groups):
                return position, revision.row_groups[remaining]
            remaining -= len(revision.row_groups)
        raise IndexError(f"there is no row group {number}")

    def _split(self, position: int, row_group: RowGroup) -> Iterator[list[dict[str, Any]]]:
        revision = self.revisions[position]
        frame_types = {name: polars_type(kind) for name, kind in revision.types.items()}
        for rows in read_row_group(row_group, frame_types, self.file_options):
            if rows[revision.key].null_count():
                raise SnapshotDamaged(
                    f"{row_group.path}: it has a row without {revision.key}", state=""
                )
            buckets = pl.Series(BUCKET, assign_buckets(rows[revision.key]))
            with_buckets = rows.with_columns(buckets)
            yield [
                {"revision": position, "shard": shard, "run": _pack(shard_rows)}
                for shard, shard_rows in split_into_shards(with_buckets, revision.shards)
            ]


@dataclass(frozen=True, kw_only=True)
class DigestShards:
    """Compute the digest of shards. Called with rows that have all runs of their shard."""

    revisions: Sequence[DigestedRevision]

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return a row with the columns SHARD_COLUMNS for each row.

        Args:
            rows: the columns revision, shard, runs, damage and unavailable.
        """
        digests = [self._digest(row) for row in rows.iter_rows(named=True)]
        return pl.DataFrame(_make_batch(digests, SHARD_COLUMNS))

    def _digest(self, row: Mapping[str, Any]) -> dict[str, Any]:
        position = row["revision"]
        if row["shard"] == NO_SHARD:
            return _describe(position, damage=row["damage"], unavailable=row["unavailable"])
        revision = self.revisions[position]
        rows = pl.concat([pl.read_ipc_stream(BytesIO(run)) for run in row["runs"]])
        digest = digest_shard(
            rows,
            key=revision.key,
            types=revision.types,
            shard=row["shard"],
            shards=revision.shards,
        )
        return {
            "revision": position,
            "shard": digest.shard,
            "row_count": digest.rows,
            "buckets": b"".join(digest.buckets[name] for name in revision.types),
        }


def read_digest(revision: DigestedRevision, rows: pl.DataFrame) -> TableDigest:
    """Put the digest of a revision together from the rows that `DigestShards` returned for it."""
    length = DIGEST_BYTES * BUCKETS // revision.shards
    shard_digests = []
    for row in rows.iter_rows(named=True):
        buckets = {}
        for number, name in enumerate(revision.types):
            buckets[name] = row["buckets"][number * length : (number + 1) * length]
        digest = ShardDigest(shard=row["shard"], rows=row["row_count"], buckets=buckets)
        shard_digests.append(digest)
    return join_shards(shard_digests, types=revision.types, shards=revision.shards)


def _describe(
    position: int, *, damage: str | None = None, unavailable: str | None = None
) -> dict[str, Any]:
    """Return a row that says what was wrong with a row group of a revision."""
    return {
        "revision": position,
        "shard": NO_SHARD,
        "damage": damage,
        "unavailable": unavailable,
    }


def _pack(rows: pl.DataFrame) -> bytes:
    stream = BytesIO()
    rows.write_ipc_stream(stream, compression="lz4")
    return stream.getvalue()


def _make_batch(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, pa.DataType]
) -> pa.RecordBatch:
    """Return rows as a batch. What a row does not have is null."""
    arrays = [
        pa.array([row.get(name) for row in rows], arrow_type)
        for name, arrow_type in columns.items()
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))
