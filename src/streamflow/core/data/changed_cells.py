"""Which cells of a frozen table are not what was frozen: named by key and column from digests, and from the drop's raw rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from streamflow.core.data.difference import Difference
from streamflow.core.data.digest import (
    BUCKETS,
    TableDigest,
    Types,
    bucket_of,
    digest_frame,
    row_digests,
)

ROW_DIGEST = "row_digest"
ROW_GONE, ROW_NEW = "the row is gone", "the row was not frozen"
UNKNOWN = "the former value is not known: the drop's raw rows are others now"

Suspects = Mapping[int, frozenset[str]]  # bucket -> the columns whose digest differs there
Row = Mapping[str, Any]


def suspects(recorded: TableDigest, found: TableDigest) -> dict[int, frozenset[str]]:
    """The buckets in which two digests of one table differ, and in which columns; columns of one side only do not count."""
    before = {c.name: c.buckets for c in recorded.columns}
    names: dict[int, set[str]] = {}
    for column in found.columns:
        held = before.get(column.name, column.buckets)
        for bucket in range(BUCKETS):
            part = slice(32 * bucket, 32 * bucket + 32)
            if held[part] != column.buckets[part]:
                names.setdefault(bucket, set()).add(column.name)
    return {bucket: frozenset(columns) for bucket, columns in names.items()}


def changed_cells(
    now: pl.DataFrame,
    raw: pl.DataFrame,
    where: Suspects,
    *,
    recorded: TableDigest,
    key: str,
    types: Types,
) -> list[Difference]:
    """Every changed cell in the suspected buckets, as `key column`, by key.

    now   (n, ·)  the frozen rows of these buckets with ROW_DIGEST as it is stored
    raw   (m, ·)  the raw rows of the drop in these buckets; of no column when they are not to be had

    Raw rows whose bucket has the recorded digests are what was frozen: all that differs from them is told. Of another bucket
    a row that does not have its own digest any more was changed; a raw row that has it gives the former values. Where that
    tells nothing either, only the columns are known. Nothing else is believed.
    """
    rows, former = (
        _by_bucket(now.drop(ROW_DIGEST), key),
        _by_bucket(raw, key) if set(types) <= set(raw.columns) else {},
    )
    proven = (
        _proven(raw.select(list(types)), recorded, where, key, types) if former else frozenset()
    )
    stored, computed = (
        dict(zip(now[key], now[ROW_DIGEST], strict=True)),
        _own_digests(now, key, types),
    )
    of_raw = _own_digests(raw, key, types) if former else {}
    found: list[Difference] = []
    for bucket, names in where.items():
        here, there = rows.get(bucket, {}), former.get(bucket, {})
        if bucket in proven:
            found += _compared(here, there)
            continue
        broken = [k for k in here if stored[k] != computed[k]]
        for k in broken:
            found += _cells(k, here[k], there.get(k) if of_raw.get(k) == stored[k] else None, names)
        if not broken:
            columns = ", ".join(sorted(names - {key}) or [key])
            what = f"one of {len(here):,} keys in bucket {bucket}, {columns}"
            found.append(Difference(what=what, recorded="not known", now=None, note=UNKNOWN))
    return sorted(found, key=lambda d: d.what)


def _proven(
    raw: pl.DataFrame, recorded: TableDigest, where: Suspects, key: str, types: Types
) -> frozenset[int]:
    """The buckets in which raw rows have the recorded digest of every column."""
    others = suspects(recorded, digest_frame(raw, key=key, types=types))
    return frozenset(bucket for bucket in where if bucket not in others)


def _own_digests(frame: pl.DataFrame, key: str, types: Types) -> dict[Any, bytes]:
    return dict(zip(frame[key], row_digests(frame.select(list(types)), types=types), strict=True))


def _by_bucket(frame: pl.DataFrame, key: str) -> dict[int, dict[Any, Row]]:
    """Bucket -> key -> row."""
    found: dict[int, dict[Any, Row]] = {}
    if not frame.is_empty():
        for bucket, row in zip(
            bucket_of(frame[key]).tolist(), frame.iter_rows(named=True), strict=True
        ):
            found.setdefault(bucket, {})[row[key]] = row
    return found


def _compared(now: Mapping[Any, Row], was: Mapping[Any, Row]) -> Iterator[Difference]:
    """Rows against those that were frozen."""
    for k in {**was, **now}:
        if k not in now:
            yield Difference(what=f"{k}", recorded="frozen", now=None, note=ROW_GONE)
        elif k not in was:
            yield Difference(what=f"{k}", recorded=None, now="frozen", note=ROW_NEW)
        else:
            yield from _cells(k, now[k], was[k], frozenset(now[k]))


def _cells(key: object, now: Row, was: Row | None, names: frozenset[str]) -> Iterator[Difference]:
    for name in sorted(names):
        if was is None:
            yield Difference(
                what=f"{key} {name}", recorded="not known", now=_shown(now[name]), note=UNKNOWN
            )
        elif was[name] != now[name]:
            yield Difference(
                what=f"{key} {name}", recorded=_shown(was[name]), now=_shown(now[name])
            )


def _shown(value: object) -> str:
    return "null" if value is None else str(value)
