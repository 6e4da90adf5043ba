"""The digest of a table: equal for equal content, however it arrived, was chunked or is stored.

Format, version 1. Rows are divided into 256 buckets by the first byte of sha256(key). Within a
bucket they are ordered by the bytes of their key (an integer key is its decimal text). For each
bucket and column two streams are hashed:

    shape     string: uint32 of 1 + length in bytes, 0 for a null   else: one byte, 1; 0 for a null
    payload   string: the UTF-8 bytes                               else: 8 bytes, 0 for a null

Numbers are big-endian. int, date (days) and timestamp (microseconds, UTC) are int64; float is
IEEE 754, with -0.0 as 0.0; bool is int64.

    bucket of a column   sha256(type NUL sha256(shape) sha256(payload))
    bucket of a table    sha256 over its columns, by name
    table                sha256 over its buckets
    row                  the first 16 bytes of sha256 over its columns, by name. A null is 0x00. A
                         string is 0x01, its length as uint32, and its bytes. Any other value is
                         0x01 and its 8 bytes.
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
DIGEST_BYTES = 32  # the length of a sha256
ROW_DIGEST_BYTES = 16
VALUE_BYTES = 8  # the payload of a value that is not a string
BUCKET = "__bucket"  # the column with the bucket of each row, where it is computed already

Types = Mapping[str, str]  # column -> logical type, as in the catalog
Buckets = NDArray[np.uint8]  # (n,) the bucket of each row


@dataclass(frozen=True, kw_only=True)
class ColumnDigest:
    """The 256 bucket digests of one column, 32 bytes each."""

    name: str
    type: str
    buckets: bytes

    @property
    def value(self) -> str:
        """Return the digest of the whole column, 64 hexadecimal digits."""
        return sha256(self.buckets).hexdigest()


@dataclass(frozen=True, kw_only=True)
class TableDigest:
    """The name of a table's content: the number of rows and the digest of each column."""

    rows: int
    columns: tuple[ColumnDigest, ...]

    @property
    def value(self) -> str:
        """Return the digest of the whole table, 64 hexadecimal digits."""
        columns = self._columns_by_name()
        table_hash = sha256(b"streamflow table 1\n")
        for bucket in range(BUCKETS):
            begin = DIGEST_BYTES * bucket
            position = slice(begin, begin + DIGEST_BYTES)
            bucket_hash = sha256()
            for column in columns:
                name = column.name.encode()
                bucket_hash.update(len(name).to_bytes(4, "big"))
                bucket_hash.update(name)
                bucket_hash.update(column.buckets[position])
            table_hash.update(bucket_hash.digest())
        return table_hash.hexdigest()

    @property
    def column_values(self) -> dict[str, str]:
        """Return the digest of each column's content, by name."""
        return {column.name: column.value for column in self._columns_by_name()}

    def changed_columns(self, former: TableDigest) -> list[str]:
        """List the columns whose content differs from that in `former`.

        Added and removed columns are included.
        """
        content = self._column_contents()
        former_content = former._column_contents()
        names = content.keys() | former_content.keys()
        return sorted(name for name in names if content.get(name) != former_content.get(name))

    def _columns_by_name(self) -> list[ColumnDigest]:
        return sorted(self.columns, key=lambda column: column.name)

    def _column_contents(self) -> dict[str, tuple[str, bytes]]:
        return {column.name: (column.type, column.buckets) for column in self.columns}


def assign_buckets(keys: pl.Series) -> Buckets:
    """Return the bucket of each key, shape (n,).

    >>> assign_buckets(pl.Series(["7590-VHVEG", "a"])).tolist()
    [243, 202]
    """
    key_bytes = keys.cast(pl.String).cast(pl.Binary).to_list()
    first_bytes = [sha256(key).digest()[0] for key in key_bytes]
    return np.array(first_bytes, dtype=np.uint8)


class RowsOutOfOrder(ValueError):
    """Rows of a table do not come once each, in the order of (bucket, key bytes)."""


class Digester:
    """Computes the digest of a table from chunks of rows in the order of (bucket, key bytes)."""

    def __init__(self, key: str, types: Types) -> None:
        self._key = key
        self._types = dict(types)
        self._rows = 0
        # Column -> the hashes of shape and payload of each bucket.
        self._streams = {}
        for name in types:
            self._streams[name] = [(sha256(), sha256()) for _ in range(BUCKETS)]
        # The bucket and the key bytes of the last row.
        self._last_position: tuple[int, bytes] | None = None

    def update(self, chunk: pl.DataFrame, buckets: pl.Series | None = None) -> None:
        """Add rows. Raises RowsOutOfOrder when they do not follow the order.

        Args:
            chunk: The rows.
            buckets: Their buckets, if PostgreSQL or a former pass has computed them: Python does it
                row by row. With wrong buckets the digest is a different one.
        """
        if chunk.is_empty():
            return
        keys = chunk[self._key].cast(pl.String)
        known_buckets = pl.Series(assign_buckets(keys)) if buckets is None else buckets
        row_buckets = known_buckets.cast(pl.UInt8).to_numpy()
        self._check_order(keys, row_buckets)
        edges = np.flatnonzero(np.diff(row_buckets)) + 1
        bounds = [0, *edges.tolist(), len(chunk)]
        for name, logical_type in self._types.items():
            streams = self._streams[name]
            for bucket, shape, payload in _encode_runs(
                chunk[name], logical_type, row_buckets, bounds
            ):
                shape_hash, payload_hash = streams[bucket]
                shape_hash.update(shape)
                payload_hash.update(payload)
        self._rows += len(chunk)

    def _check_order(self, keys: pl.Series, buckets: Buckets) -> None:
        frame = pl.DataFrame({"bucket": buckets, "key": keys})
        # Polars orders text by its bytes.
        is_ordered = frame.sort("bucket", "key").equals(frame)
        first_position = (int(buckets[0]), keys[0].encode())
        follows = self._last_position is None or first_position > self._last_position
        if not is_ordered or not follows:
            raise RowsOutOfOrder("rows must come once each, in the order of (bucket, key)")
        self._last_position = (int(buckets[-1]), keys[-1].encode())

    def finish(self) -> TableDigest:
        """Return the digest of all rows that were added."""
        columns = []
        for name, logical_type in self._types.items():
            prefix = logical_type.encode() + b"\x00"
            buckets = b""
            for shape_hash, payload_hash in self._streams[name]:
                content = prefix + shape_hash.digest() + payload_hash.digest()
                buckets += sha256(content).digest()
            columns.append(ColumnDigest(name=name, type=logical_type, buckets=buckets))
        return TableDigest(rows=self._rows, columns=tuple(columns))


def digest_frame(frame: pl.DataFrame, *, key: str, types: Types) -> TableDigest:
    """Return the digest of a whole frame with a unique key; its rows may have any order.

    >>> frame = pl.DataFrame({"k": ["a", "b"], "x": [1.0, None]})
    >>> types = {"k": "string", "x": "float"}
    >>> reversed_digest = digest_frame(frame.reverse(), key="k", types=types)
    >>> digest_frame(frame, key="k", types=types).value == reversed_digest.value
    True
    """
    digester = Digester(key, types)
    rows = sort_for_digest(frame, key)
    digester.update(rows, rows[BUCKET])
    return digester.finish()


def sort_for_digest(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """Return the rows in the order of (bucket, key bytes), as a digester needs them.

    The column BUCKET is added to them.
    """
    buckets = pl.Series(BUCKET, assign_buckets(frame[key]))
    texts = pl.col(key).cast(pl.String).alias("__key")
    with_positions = frame.with_columns(buckets, texts)
    return with_positions.sort(BUCKET, "__key").drop("__key")


def compute_row_digests(frame: pl.DataFrame, *, types: Types) -> list[bytes]:
    """Return the 16 bytes of each row's own digest, in the order of the frame."""
    columns = []
    for name in sorted(types):
        column_cells = _encode_cells(frame[name], types[name])
        columns.append(column_cells)
    digests = []
    for cells in zip(*columns, strict=True):
        row_hash = sha256(b"".join(cells))
        digests.append(row_hash.digest()[:ROW_DIGEST_BYTES])
    return digests


def _encode_values(series: pl.Series, logical_type: str) -> NDArray[Any]:
    """Return the payload of a column that is not a string.

    It has shape (n,), with 8 bytes per value, big-endian, 0 for a null.
    """
    if logical_type == "float":
        # Adding 0.0 makes -0.0 a 0.0.
        floats = series.cast(pl.Float64).fill_null(0.0)
        numbers = floats.to_numpy() + 0.0
        return numbers.astype(">f8")
    if logical_type == "timestamp":
        series = series.dt.epoch("us")
    elif logical_type == "date":
        series = series.cast(pl.Date).to_physical()
    integers = series.cast(pl.Int64).fill_null(0)
    return integers.to_numpy().astype(">i8")


def _encode_runs(
    series: pl.Series,
    logical_type: str,
    buckets: Buckets,
    bounds: Sequence[int],
) -> Iterator[tuple[int, bytes, bytes]]:
    """Encode each run of rows of one bucket as (bucket, shape, payload).

    `bounds` are the row numbers at which the runs begin, and the end of the last run.
    """
    is_present = series.is_not_null().to_numpy()
    if logical_type == "string":
        byte_counts = series.str.len_bytes().fill_null(0)
        lengths = byte_counts.to_numpy().astype(np.int64)
        shapes = np.where(is_present, lengths + 1, 0).astype(">u4")
        # Polars joins the texts of a column faster than Python.
        payload = (series.str.join("").item() or "").encode()
        ends = np.concatenate([[0], np.cumsum(lengths)])
        for begin, end in pairwise(bounds):
            run_shape = shapes[begin:end].tobytes()
            run_payload = payload[ends[begin] : ends[end]]
            yield int(buckets[begin]), run_shape, run_payload
        return
    values = _encode_values(series, logical_type)
    flags = is_present.astype(np.uint8)
    for begin, end in pairwise(bounds):
        run_shape = flags[begin:end].tobytes()
        run_payload = values[begin:end].tobytes()
        yield int(buckets[begin]), run_shape, run_payload


def _encode_cells(series: pl.Series, logical_type: str) -> Iterator[bytes]:
    """Encode each cell of a column for the digest of its row."""
    if logical_type == "string":
        for text in series:
            if text is None:
                yield b"\x00"
            else:
                data = text.encode()
                yield b"\x01" + len(data).to_bytes(4, "big") + data
        return
    payload = _encode_values(series, logical_type).tobytes()
    for row, is_present in enumerate(series.is_not_null()):
        if not is_present:
            yield b"\x00"
            continue
        begin = VALUE_BYTES * row
        end = begin + VALUE_BYTES
        yield b"\x01" + payload[begin:end]
