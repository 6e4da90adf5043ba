"""Find the cells of a frozen table that have changed since they were frozen.

Digests and the raw rows of the drop tell the key and the column of each changed cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from streamflow.core.data.difference import Difference
from streamflow.core.data.digest import (
    BUCKETS,
    DIGEST_BYTES,
    TableDigest,
    Types,
    bucket_of,
    digest_frame,
    row_digests,
)

ROW_DIGEST = "row_digest"
ROW_GONE = "the row is gone"
ROW_NEW = "the row was not frozen"
NOT_KNOWN = "not known"
UNKNOWN = "the former value is not known, because the drop's raw rows have changed"

Suspects = Mapping[int, frozenset[str]]  # bucket -> the columns whose digest differs there
Row = Mapping[str, Any]


def suspects(recorded: TableDigest, current: TableDigest) -> dict[int, frozenset[str]]:
    """Return the buckets in which two digests of one table differ, with the columns that differ.

    A column that only one of the digests has does not count.
    """
    recorded_buckets = {column.name: column.buckets for column in recorded.columns}
    names: dict[int, set[str]] = {}
    for column in current.columns:
        recorded_bytes = recorded_buckets.get(column.name, column.buckets)
        for bucket in range(BUCKETS):
            position = slice(DIGEST_BYTES * bucket, DIGEST_BYTES * (bucket + 1))
            if recorded_bytes[position] != column.buckets[position]:
                names.setdefault(bucket, set()).add(column.name)
    return {bucket: frozenset(columns) for bucket, columns in names.items()}


def changed_cells(
    frozen: pl.DataFrame,
    raw: pl.DataFrame,
    suspect_columns: Suspects,
    *,
    recorded: TableDigest,
    key: str,
    types: Types,
) -> list[Difference]:
    """List every changed cell in the suspect buckets as `key column`, by key.

    Only digests are trusted. Raw rows whose bucket has the recorded digests are the rows that were
    frozen: every difference from them is reported. In the remaining buckets, a row changed if it
    does not have its own stored digest any more; a raw row that has this digest gives the former
    values. If no row of the bucket changed in this way, only the columns are known.

    Args:
        frozen: (n, ·) the frozen rows of these buckets, with ROW_DIGEST as it is stored.
        raw: (m, ·) the raw rows of the drop in these buckets; without columns when they cannot
            be read.
        suspect_columns: what `suspects` returned.
        recorded: the digest that was recorded when the table was frozen.
        key: the name of the entity's key.
        types: column -> catalog type, of the frozen table.
    """
    frozen_rows = _group_by_bucket(frozen.drop(ROW_DIGEST), key)
    stored_digests = dict(zip(frozen[key], frozen[ROW_DIGEST], strict=True))
    current_digests = _compute_row_digests(frozen, key, types)
    raw_rows: dict[int, dict[Any, Row]] = {}
    raw_digests: dict[Any, bytes] = {}
    proven_buckets: frozenset[int] = frozenset()
    if set(types) <= set(raw.columns):
        raw_rows = _group_by_bucket(raw, key)
    if raw_rows:
        raw_digests = _compute_row_digests(raw, key, types)
        proven_buckets = _find_proven_buckets(raw, recorded, suspect_columns, key, types)
    differences: list[Difference] = []
    for number, columns in suspect_columns.items():
        bucket = _Bucket(
            number=number,
            columns=columns,
            frozen_rows=frozen_rows.get(number, {}),
            raw_rows=raw_rows.get(number, {}),
        )
        if number in proven_buckets:
            differences += bucket.compare_with_raw_rows()
        else:
            differences += bucket.compare_by_digests(
                key, stored_digests, current_digests, raw_digests
            )
    return sorted(differences, key=lambda difference: difference.what)


@dataclass(frozen=True, kw_only=True)
class _Bucket:
    """A suspect bucket: the columns that differ, and its rows by key."""

    number: int
    columns: frozenset[str]
    frozen_rows: Mapping[Any, Row]
    raw_rows: Mapping[Any, Row]

    def compare_with_raw_rows(self) -> Iterator[Difference]:
        """Compare the frozen rows with the raw rows, which are proven to be the rows of then."""
        for key in {**self.raw_rows, **self.frozen_rows}:
            if key not in self.frozen_rows:
                yield Difference(what=f"{key}", recorded="frozen", now=None, note=ROW_GONE)
            elif key not in self.raw_rows:
                yield Difference(what=f"{key}", recorded=None, now="frozen", note=ROW_NEW)
            else:
                row = self.frozen_rows[key]
                yield from _compare_cells(key, row, self.raw_rows[key], frozenset(row))

    def compare_by_digests(
        self,
        key_name: str,
        stored_digests: Mapping[Any, bytes],
        current_digests: Mapping[Any, bytes],
        raw_digests: Mapping[Any, bytes],
    ) -> Iterator[Difference]:
        """Report the rows that do not have their stored digest any more, or else the columns."""
        changed_keys = [
            key for key in self.frozen_rows if stored_digests[key] != current_digests[key]
        ]
        for key in changed_keys:
            raw_row_is_proven = raw_digests.get(key) == stored_digests[key]
            former_row = self.raw_rows.get(key) if raw_row_is_proven else None
            yield from _compare_cells(key, self.frozen_rows[key], former_row, self.columns)
        if not changed_keys:
            columns = ", ".join(sorted(self.columns - {key_name}) or [key_name])
            address = f"one of {len(self.frozen_rows):,} keys in bucket {self.number}, {columns}"
            yield Difference(what=address, recorded=NOT_KNOWN, now=None, note=UNKNOWN)


def _find_proven_buckets(
    raw: pl.DataFrame, recorded: TableDigest, suspect_columns: Suspects, key: str, types: Types
) -> frozenset[int]:
    """Return the buckets in which the raw rows have the recorded digest of every column."""
    raw_digest = digest_frame(raw.select(list(types)), key=key, types=types)
    differing_buckets = suspects(recorded, raw_digest)
    return frozenset(bucket for bucket in suspect_columns if bucket not in differing_buckets)


def _compute_row_digests(frame: pl.DataFrame, key: str, types: Types) -> dict[Any, bytes]:
    digests = row_digests(frame.select(list(types)), types=types)
    return dict(zip(frame[key], digests, strict=True))


def _group_by_bucket(frame: pl.DataFrame, key: str) -> dict[int, dict[Any, Row]]:
    """Return the rows as bucket -> key -> row."""
    rows_by_bucket: dict[int, dict[Any, Row]] = {}
    if frame.is_empty():
        return rows_by_bucket
    buckets = bucket_of(frame[key]).tolist()
    for bucket, row in zip(buckets, frame.iter_rows(named=True), strict=True):
        rows_by_bucket.setdefault(bucket, {})[row[key]] = row
    return rows_by_bucket


def _compare_cells(
    key: object, row: Row, former_row: Row | None, columns: frozenset[str]
) -> Iterator[Difference]:
    """Report the cells of a row that changed; without its former row, all of `columns`."""
    for name in sorted(columns):
        address = f"{key} {name}"
        value = _format_cell(row[name])
        if former_row is None:
            yield Difference(what=address, recorded=NOT_KNOWN, now=value, note=UNKNOWN)
        elif former_row[name] != row[name]:
            yield Difference(what=address, recorded=_format_cell(former_row[name]), now=value)


def _format_cell(value: object) -> str:
    return "null" if value is None else str(value)
