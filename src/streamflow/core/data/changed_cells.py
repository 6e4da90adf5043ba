"""Find the cells of a frozen table that have changed since they were frozen.

Digests and the raw rows of the drop tell the key and the column of each changed cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from streamflow.core.data.counts import count_of
from streamflow.core.data.difference import Difference
from streamflow.core.data.digest import (
    BUCKETS,
    DIGEST_BYTES,
    TableDigest,
    Types,
    assign_buckets,
    compute_row_digests,
    digest_frame,
)

ROW_DIGEST = "row_digest"
ROW_GONE = "the row is gone"
ROW_NEW = "the row was not frozen"
NOT_KNOWN = "not known"
UNKNOWN = "the former value is not known, because the drop's raw rows have changed"

SuspectColumns = Mapping[int, frozenset[str]]  # bucket -> the columns whose digest differs there
Row = Mapping[str, Any]


def find_suspect_columns(recorded: TableDigest, current: TableDigest) -> dict[int, frozenset[str]]:
    """Return the buckets in which two digests of one table differ, with the columns that differ.

    A column that only one of the digests has does not count.
    """
    recorded_buckets = {column.name: column.buckets for column in recorded.columns}
    names: dict[int, set[str]] = {}
    for column in current.columns:
        recorded_bytes = recorded_buckets.get(column.name, column.buckets)
        for bucket in range(BUCKETS):
            begin = DIGEST_BYTES * bucket
            position = slice(begin, begin + DIGEST_BYTES)
            if recorded_bytes[position] != column.buckets[position]:
                bucket_names = names.setdefault(bucket, set())
                bucket_names.add(column.name)
    return {bucket: frozenset(columns) for bucket, columns in names.items()}


def find_changed_cells(
    frozen: pl.DataFrame,
    raw: pl.DataFrame,
    suspect_columns: SuspectColumns,
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
        raw: (m, ·) the raw rows of these buckets; without columns when they cannot be read.
    """
    frozen_rows = _group_by_bucket(frozen.drop(ROW_DIGEST), key)
    stored_digests = dict(zip(frozen[key], frozen[ROW_DIGEST], strict=True))
    current_digests = _compute_row_digests(frozen, key, types)
    raw_rows = _read_raw_rows(raw, recorded, suspect_columns, key, types)
    differences: list[Difference] = []
    for number, columns in suspect_columns.items():
        rows = frozen_rows.get(number, {})
        if number in raw_rows.proven_buckets:
            differences += _compare_rows(rows, raw_rows.by_bucket.get(number, {}))
            continue
        changed_keys = _find_changed_keys(rows, stored_digests, current_digests)
        for changed_key in changed_keys:
            former_row = raw_rows.find(number, changed_key, stored_digests[changed_key])
            differences += _compare_cells(changed_key, rows[changed_key], former_row, columns)
        if not changed_keys:
            differences.append(_describe_bucket(number, len(rows), columns, key))
    return sorted(differences, key=lambda difference: difference.what)


@dataclass(frozen=True, kw_only=True)
class _RawRows:
    """The raw rows of a drop. Everything is empty when they cannot be read.

    by_bucket       bucket -> key -> row
    digests         key -> the row's own digest
    proven_buckets  the buckets in which the raw rows are the rows that were frozen
    """

    by_bucket: Mapping[int, Mapping[Any, Row]]
    digests: Mapping[Any, bytes]
    proven_buckets: frozenset[int]

    def find(self, bucket: int, key: object, digest: bytes) -> Row | None:
        """Return the raw row of a key if it has this digest, else None."""
        if self.digests.get(key) != digest:
            return None
        return self.by_bucket.get(bucket, {}).get(key)


def _read_raw_rows(
    raw: pl.DataFrame,
    recorded: TableDigest,
    suspect_columns: SuspectColumns,
    key: str,
    types: Types,
) -> _RawRows:
    is_readable = set(types) <= set(raw.columns)
    if not is_readable or raw.is_empty():
        return _RawRows(by_bucket={}, digests={}, proven_buckets=frozenset())
    # In a proven bucket, the raw rows have the recorded digest of every column.
    raw_digest = digest_frame(raw.select(list(types)), key=key, types=types)
    differing_buckets = find_suspect_columns(recorded, raw_digest)
    return _RawRows(
        by_bucket=_group_by_bucket(raw, key),
        digests=_compute_row_digests(raw, key, types),
        proven_buckets=frozenset(suspect_columns.keys() - differing_buckets.keys()),
    )


def _compare_rows(rows: Mapping[Any, Row], former_rows: Mapping[Any, Row]) -> Iterator[Difference]:
    """Compare the frozen rows of a bucket with the rows that are proven to have been frozen."""
    for key in {**former_rows, **rows}:
        if key not in rows:
            yield Difference(what=f"{key}", recorded="frozen", now=None, note=ROW_GONE)
        elif key not in former_rows:
            yield Difference(what=f"{key}", recorded=None, now="frozen", note=ROW_NEW)
        else:
            yield from _compare_cells(key, rows[key], former_rows[key], frozenset(rows[key]))


def _find_changed_keys(
    rows: Mapping[Any, Row],
    stored_digests: Mapping[Any, bytes],
    current_digests: Mapping[Any, bytes],
) -> list[Any]:
    """List the keys whose row does not have its own stored digest any more."""
    return [key for key in rows if stored_digests[key] != current_digests[key]]


def _describe_bucket(number: int, rows: int, columns: frozenset[str], key: str) -> Difference:
    """Report a bucket that changed although each of its rows has its stored digest."""
    names = ", ".join(sorted(columns - {key}) or [key])
    address = f"one of {count_of(rows, 'key')} in bucket {number}, {names}"
    return Difference(what=address, recorded=NOT_KNOWN, now=None, note=UNKNOWN)


def _compute_row_digests(frame: pl.DataFrame, key: str, types: Types) -> dict[Any, bytes]:
    digests = compute_row_digests(frame.select(list(types)), types=types)
    return dict(zip(frame[key], digests, strict=True))


def _group_by_bucket(frame: pl.DataFrame, key: str) -> dict[int, dict[Any, Row]]:
    """Return the rows as bucket -> key -> row."""
    rows_by_bucket: dict[int, dict[Any, Row]] = {}
    if frame.is_empty():
        return rows_by_bucket
    buckets = assign_buckets(frame[key]).tolist()
    for bucket, row in zip(buckets, frame.iter_rows(named=True), strict=True):
        rows_by_bucket.setdefault(bucket, {})[row[key]] = row
    return rows_by_bucket


def _compare_cells(
    key: object,
    row: Row,
    former_row: Row | None,
    columns: frozenset[str],
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
