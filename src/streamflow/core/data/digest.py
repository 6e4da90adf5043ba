"""The digest of a table: the same for the same content, however it arrived, was chunked or is stored.

Form, version 1. Rows fall into 256 buckets by the first byte of sha256(key), and lie in each bucket in the order of their
key's bytes (an integer key is its decimal text). Of each bucket and column two streams are hashed:

    shape     string: uint32 of 1 + length in bytes, 0 for a null       others: one byte, 1 or 0 for a null
    payload   string: the UTF-8 bytes                                   others: 8 bytes, 0 for a null

Numbers are big-endian: int, date (days) and timestamp (microseconds, UTC) as int64, float as IEEE 754 with -0.0 as 0.0,
bool as int64. A column's bucket is sha256(type NUL sha256(shape) sha256(payload)); a bucket sha256 over its columns, by
name; a table sha256 over its buckets. A row's own digest is the first 16 bytes of sha256 over its columns, by name: 0x00
for a null, else 0x01 and the 8 bytes, or for a string 0x01, uint32 length and the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

BUCKETS = 256

Types = Mapping[str, str]  # column -> logical type, as in the catalog


@dataclass(frozen=True, kw_only=True)
class ColumnDigest:
    """The 256 bucket digests of one column, 32 bytes each."""

    name: str
    type: str
    buckets: bytes

    @property
    def value(self) -> str:
        """The digest of the whole column, 64 hexadecimal digits."""
        return sha256(self.buckets).hexdigest()


@dataclass(frozen=True, kw_only=True)
class TableDigest:
    """What a table holds, named by its content."""

    rows: int
    columns: tuple[ColumnDigest, ...]

    @property
    def value(self) -> str:
        """The digest of the whole table, 64 hexadecimal digits."""
        ordered = sorted(self.columns, key=lambda c: c.name)
        total = sha256(b"streamflow table 1\n")
        for bucket in range(BUCKETS):
            one = sha256()
            for column in ordered:
                name = column.name.encode()
                one.update(
                    len(name).to_bytes(4, "big")
                    + name
                    + column.buckets[32 * bucket : 32 * bucket + 32]
                )
            total.update(one.digest())
        return total.hexdigest()

    @property
    def column_values(self) -> dict[str, str]:
        """Column -> digest of its content, by name."""
        return {c.name: c.value for c in sorted(self.columns, key=lambda c: c.name)}

    def changed_columns(self, other: TableDigest) -> list[str]:
        """The columns whose content differs from that of `other`, added and removed ones included."""
        mine, theirs = ({c.name: (c.type, c.buckets) for c in t.columns} for t in (self, other))
        return sorted(
            name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name)
        )


def bucket_of(keys: pl.Series) -> NDArray[np.uint8]:
    """The bucket of each key, shape (n,).

    >>> bucket_of(pl.Series(["7590-VHVEG", "a"])).tolist()
    [243, 202]
    """
    return np.fromiter(
        (sha256(k.encode()).digest()[0] for k in keys.cast(pl.String)), np.uint8, len(keys)
    )


class Digester:
    """Takes the rows of a table in chunks, in the order of (bucket, key bytes), and gives its digest."""

    def __init__(self, key: str, types: Types) -> None:
        self._key, self._types, self._rows = key, dict(types), 0
        self._streams = {name: [(sha256(), sha256()) for _ in range(BUCKETS)] for name in types}
        self._last: tuple[int, bytes] | None = None

    def update(self, chunk: pl.DataFrame) -> None:
        """Add rows; raises ValueError when they do not follow the order."""
        if chunk.is_empty():
            return
        keys = chunk[self._key].cast(pl.String)
        buckets = bucket_of(keys)
        self._check_order(keys, buckets)
        edges = np.flatnonzero(np.diff(buckets)) + 1
        bounds = [0, *edges.tolist(), len(chunk)]
        for name, logical in self._types.items():
            streams = self._streams[name]
            for bucket, shape, payload in _slices(chunk[name], logical, buckets, bounds):
                streams[bucket][0].update(shape)
                streams[bucket][1].update(payload)
        self._rows += len(chunk)

    def _check_order(self, keys: pl.Series, buckets: NDArray[np.uint8]) -> None:
        frame = pl.DataFrame({"bucket": buckets, "key": keys})
        ordered = frame.sort("bucket", "key").equals(frame)  # polars orders text by its bytes
        first, last = ((int(buckets[i]), keys[i].encode()) for i in (0, len(keys) - 1))
        if not ordered or (self._last is not None and first <= self._last):
            raise ValueError("rows must come once each, in the order of (bucket, key)")
        self._last = last

    def finish(self) -> TableDigest:
        """The digest of all rows taken."""
        columns = []
        for name, logical in self._types.items():
            head = logical.encode() + b"\x00"
            buckets = b"".join(
                sha256(head + s.digest() + p.digest()).digest() for s, p in self._streams[name]
            )
            columns.append(ColumnDigest(name=name, type=logical, buckets=buckets))
        return TableDigest(rows=self._rows, columns=tuple(columns))


def digest_frame(frame: pl.DataFrame, *, key: str, types: Types) -> TableDigest:
    """The digest of a whole frame with rows in any order and a unique key.

    >>> frame = pl.DataFrame({"k": ["a", "b"], "x": [1.0, None]})
    >>> kinds = {"k": "string", "x": "float"}
    >>> digest_frame(frame, key="k", types=kinds).value == digest_frame(frame.reverse(), key="k", types=kinds).value
    True
    """
    digester = Digester(key, types)
    digester.update(in_order(frame, key))
    return digester.finish()


def in_order(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """The rows in the order of (bucket, key bytes), as a digester takes them."""
    placed = frame.with_columns(
        pl.Series("__bucket", bucket_of(frame[key])), pl.col(key).cast(pl.String).alias("__key")
    )
    return placed.sort("__bucket", "__key").drop("__bucket", "__key")


def row_digests(frame: pl.DataFrame, *, types: Types) -> list[bytes]:
    """The 16 bytes of each row's own digest, in the order of the frame."""
    fields = [list(_cells(frame[name], types[name])) for name in sorted(types)]
    return [sha256(b"".join(row)).digest()[:16] for row in zip(*fields, strict=True)]


def _fixed(series: pl.Series, logical: str) -> NDArray[Any]:
    """The payload of a column that is not a string: (n,) of 8 byte big-endian values, 0 for a null."""
    if logical == "float":
        return (series.cast(pl.Float64).fill_null(0.0).to_numpy() + 0.0).astype(">f8")
    if logical == "timestamp":
        series = series.dt.epoch("us")
    elif logical == "date":
        series = series.cast(pl.Date).to_physical()
    return series.cast(pl.Int64).fill_null(0).to_numpy().astype(">i8")


def _slices(
    series: pl.Series, logical: str, buckets: NDArray[np.uint8], bounds: Sequence[int]
) -> Iterator[tuple[int, bytes, bytes]]:
    """(bucket, shape, payload) of each run of rows of one bucket."""
    present = series.is_not_null().to_numpy()
    if logical == "string":
        lengths = series.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
        shape = np.where(present, lengths + 1, 0).astype(">u4")
        data = "".join(series.drop_nulls().to_list()).encode()
        ends = np.concatenate([[0], np.cumsum(lengths)])
        for a, b in pairwise(bounds):
            yield int(buckets[a]), shape[a:b].tobytes(), data[ends[a] : ends[b]]
        return
    values, flags = _fixed(series, logical), present.astype(np.uint8)
    for a, b in pairwise(bounds):
        yield int(buckets[a]), flags[a:b].tobytes(), values[a:b].tobytes()


def _cells(series: pl.Series, logical: str) -> Iterator[bytes]:
    if logical == "string":
        for value in series:
            data = None if value is None else value.encode()
            yield b"\x00" if data is None else b"\x01" + len(data).to_bytes(4, "big") + data
        return
    raw = _fixed(series, logical).tobytes()
    for i, present in enumerate(series.is_not_null()):
        yield b"\x01" + raw[8 * i : 8 * i + 8] if present else b"\x00"
