"""A spool keeps typed rows on disk between the check and the load.

Its file has no name, so nothing of it is left when this process ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import polars as pl
import pyarrow as pa


class Spool:
    """Stores frames of one schema on disk and returns them in order, as often as needed.

    Args:
        folder: The folder on whose file system the space is taken.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The file lives as long as the spool, so no context manager can close it.
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def write(self, frame: pl.DataFrame) -> None:
        """Add the rows of a frame. Raises OSError when the disk is full."""
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._file, table.schema)
        self._writer.write_table(table)

    def read_frames(self) -> Iterator[pl.DataFrame]:
        """Read all rows, a part at a time. After this call no rows can be added."""
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
        """Close the file, which frees its space."""
        self._file.close()
