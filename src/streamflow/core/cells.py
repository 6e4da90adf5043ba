"""Which cells of a frozen table are not what was frozen: named by key and column from digests, and from the drop's raw rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from streamflow.core.digest import BUCKETS, TableDigest, Types, bucket_of, row_digests
from streamflow.core.levels import Difference

ROW_DIGEST = "row_digest"
ROW_GONE, ROW_NEW = "the row is gone", "the row was not frozen"
FORGED = "its row's digest was changed too; the former value is that of the drop's raw row"
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


def changed_cells(now: pl.DataFrame, raw: pl.DataFrame, where: Suspects, *, key: str, types: Types) -> list[Difference]:
    """Every changed cell in the suspected buckets, as `key column`, by key.

    now   (n, ·)  the frozen rows of these buckets with ROW_DIGEST as it is stored
    raw   (m, ·)  the raw rows of the drop in these buckets; of no column when they are not to be had

    A raw row with the stored digest is what was frozen: its values are the former ones. Where no row's own digest tells, the
    digests of the bucket's columns do.
    """
    held = {name: kind for name, kind in types.items() if name in now.columns}
    stored = dict(zip(now[key], now[ROW_DIGEST], strict=True))
    computed = dict(zip(now[key], row_digests(now, types=held), strict=True))
    rows = _by_key(now.drop(ROW_DIGEST), key)
    former = _by_key(raw, key) if set(held) <= set(raw.columns) else {}
    proven = dict(zip(raw[key], row_digests(raw.select(list(held)), types=held), strict=True)) if former else {}
    found: list[Difference] = []
    for bucket, names in where.items():
        keys = sorted(k for k in {*rows, *former} if _bucket(k) == bucket)
        broken = [k for k in keys if k in rows and stored[k] != computed[k]]
        for k in broken:
            was = former.get(k) if proven.get(k) == stored[k] else None
            found += _cells(k, rows[k], was, names)
        if not broken:
            found += _untold(bucket, {k: rows.get(k) for k in keys}, {k: former.get(k) for k in keys}, names, key)
    return sorted(found, key=lambda d: d.what)


def _by_key(frame: pl.DataFrame, key: str) -> dict[Any, Row]:
    return {row[key]: row for row in frame.iter_rows(named=True)}


def _bucket(key: str | int) -> int:
    return int(bucket_of(pl.Series([str(key)]))[0])


def _cells(key: object, now: Row, was: Row | None, names: frozenset[str]) -> Iterator[Difference]:
    for name in sorted(names):
        if was is None:
            yield Difference(what=f"{key} {name}", recorded="not known", now=_shown(now[name]), note=UNKNOWN)
        elif was[name] != now[name]:
            yield Difference(what=f"{key} {name}", recorded=_shown(was[name]), now=_shown(now[name]))


def _untold(
    bucket: int, now: Mapping[Any, Row | None], former: Mapping[Any, Row | None], names: frozenset[str], key: str
) -> Iterator[Difference]:
    """A bucket whose rows all agree with their own digests: rows came or went, or a digest was changed with its row."""
    told = False
    for k, row in now.items():
        was = former[k]
        if row is None:
            yield Difference(what=f"{k}", recorded="frozen", now=None, note=ROW_GONE)
        elif was is None and any(former.values()):
            yield Difference(what=f"{k}", recorded=None, now="frozen", note=ROW_NEW)
        elif was is not None:
            changed = [name for name in sorted(names) if was[name] != row[name]]
            yield from (Difference(what=f"{k} {n}", recorded=_shown(was[n]), now=_shown(row[n]), note=FORGED) for n in changed)
            told = told or bool(changed)
            continue
        told = True
    if not told:
        keys = f"one of {len(now):,} keys" if now else "a key"
        columns = ", ".join(sorted(names - {key}) or [key])
        yield Difference(what=f"{keys} in bucket {bucket}, {columns}", recorded="not known", now=None, note=UNKNOWN)


def _shown(value: object) -> str:
    return "null" if value is None else str(value)
