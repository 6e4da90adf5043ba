"""Read row groups of the Parquet files of the lake on a worker of the engine.

A row group is the smallest part of a file that is read alone. A worker needs the files, and for an
object store the credentials in its own environment; it asks neither the catalog nor PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from streamflow.errors import SnapshotDamaged
from streamflow.lake.translated_errors import translate_errors

BATCH_ROWS = 65_536
# The type of a column in a frame -> the type of a column that workers return. No other type is a
# key, a feature or a label.
ARROW_TYPES = {
    pl.Int64: pa.int64(),
    pl.Float64: pa.float64(),
    pl.Boolean: pa.bool_(),
    pl.String: pa.string(),
}


@dataclass(frozen=True, kw_only=True)
class RowGroup:
    """One row group of a Parquet file.

    Attributes:
        path: the address of the file.
        number: the number of the row group, from 0 on.
        count: how many row groups the file had when it was written.
    """

    path: str
    number: int
    count: int


@dataclass(frozen=True, kw_only=True)
class ReadRowGroups:
    """Read one row group after another. Called with the number of a row group.

    Attributes:
        row_groups: the row groups.
        types: column -> its type in a frame.
        names: column -> the name that it gets.
        file_options: options of PyIceberg for the object store, without credentials.
    """

    row_groups: Sequence[RowGroup]
    types: Mapping[str, Any]
    names: Mapping[str, str]
    file_options: Mapping[str, str]

    def __call__(self, number: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a row group."""
        for rows in read_row_group(self.row_groups[number], self.types, self.file_options):
            renamed = rows.rename(dict(self.names))
            yield from renamed.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()


def read_row_group(
    row_group: RowGroup,
    types: Mapping[str, Any],
    file_options: Mapping[str, str],
) -> Iterator[pl.DataFrame]:
    """Yield columns of a row group in chunks. A column that the file does not have is null.

    Args:
        row_group: the row group.
        types: column -> its type in a frame.
        file_options: options of PyIceberg for the object store, without credentials.

    Raises:
        SnapshotDamaged: the file is missing, or it is not what was written.
        LakeUnavailable: the place of the lake cannot be reached.
    """
    from pyiceberg.io.pyarrow import PyArrowFileIO

    file_io = PyArrowFileIO(dict(file_options))
    with translate_errors(row_group.path), file_io.new_input(row_group.path).open() as file:
        parquet = pq.ParquetFile(file)
        if parquet.num_row_groups != row_group.count:
            counts = f"{parquet.num_row_groups} row groups and not {row_group.count}"
            raise SnapshotDamaged(f"{row_group.path}: it has {counts}", state="")
        stored = [name for name in types if name in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(
            BATCH_ROWS, row_groups=[row_group.number], columns=stored
        ):
            yield _make_typed(row_group, batch, types)


def _make_typed(
    row_group: RowGroup, batch: pa.RecordBatch, types: Mapping[str, Any]
) -> pl.DataFrame:
    """Return the columns with their types."""
    rows = pl.DataFrame(batch)
    cells = []
    for name, frame_type in types.items():
        cell = pl.col(name) if name in rows.columns else pl.lit(None)
        cells.append(cell.cast(frame_type).alias(name))
    try:
        return rows.select(cells)
    except pl.exceptions.PolarsError as exc:  # its text may show values of users
        raise SnapshotDamaged(f"{row_group.path}: it has different types", state="") from exc
