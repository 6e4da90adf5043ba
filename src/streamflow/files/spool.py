"""A spool: typed rows kept on disk between being checked and being loaded. It has no name, so nothing of it outlives us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import polars as pl
import pyarrow as pa


class Spool:
    """Takes frames of one schema and gives them back, in order, as often as asked. `folder` is where the space is taken."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = TemporaryFile(dir=folder)  # it lives as long as the spool
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows. Raises OSError when the disk is full."""
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._file, table.schema)
        self._writer.write_table(table)

    def frames(self) -> Iterator[pl.DataFrame]:
        """All rows, a part at a time. No more can be added then."""
        if self._writer is None:
            return
        self._writer.close()
        self._file.flush()
        self._file.seek(0)
        for batch in pa.ipc.open_stream(self._file):
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            yield frame

    def close(self) -> None:
        """Give the space back."""
        self._file.close()
