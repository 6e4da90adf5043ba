"""Keep frames in a file that has no name, and map them into memory when they are used.

Nothing of the file is left when its last user is gone, or when this process ends, however it ends.
"""

from __future__ import annotations

from mmap import ACCESS_READ, ALLOCATIONGRANULARITY, mmap
from os import SEEK_END
from pathlib import Path
from tempfile import TemporaryFile
from weakref import finalize

import polars as pl
import pyarrow as pa

from streamflow.files.disk_space import naming_full_disk


class FrameStore:
    """A file of frames. It is closed when neither the store nor one of its frames is used.

    Args:
        folder: The folder on whose file system the space is taken.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with naming_full_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # The file lives as long as its frames, so no context manager can close it.
            self._file = TemporaryFile(dir=folder)  # noqa: SIM115
        finalize(self, self._file.close)

    def add(self, frame: pl.DataFrame) -> StoredFrame:
        """Write a frame into the file.

        Raises:
            DiskFull: there is no space left on the disk.
        """
        table = frame.to_arrow(compat_level=pl.CompatLevel.newest())
        with naming_full_disk(self._folder):
            begin = self._file.seek(0, SEEK_END)
            begin = self._file.seek(begin + -begin % ALLOCATIONGRANULARITY)
            with pa.ipc.new_stream(self._file, table.schema) as writer:
                writer.write_table(table)
            self._file.flush()
            return StoredFrame(self, begin, self._file.tell() - begin)

    def map(self, begin: int, length: int) -> mmap:
        """Map a part of the file, read-only."""
        return mmap(self._file.fileno(), length, access=ACCESS_READ, offset=begin)


class StoredFrame:
    """A frame of a store."""

    def __init__(self, store: FrameStore, begin: int, length: int) -> None:
        self._store = store
        self._begin = begin
        self._length = length

    def read(self) -> pl.DataFrame:
        """Return the frame. Its columns are mapped, and take memory only once they are used.

        The memory is free again when the frame is no longer used. Texts of more than 12 bytes that
        were selected from the frame use it, too.
        """
        mapped = pa.py_buffer(self._store.map(self._begin, self._length))
        frame = pl.from_arrow(pa.ipc.open_stream(mapped).read_all())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows for the frame."""
        return self.read()._repr_html_()
