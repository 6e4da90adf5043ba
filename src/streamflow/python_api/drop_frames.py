"""A drop that is given as frames: it is written as Parquet files, and ingested like any drop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from streamflow.catalog import Catalog
from streamflow.files.scratch_folders import open_scratch_folder

if TYPE_CHECKING:
    import polars as pl

    from streamflow.platform import Platform

ENDING = ".parquet"


@contextmanager
def place_drop(
    platform: Platform, source: Path | Mapping[str, pl.DataFrame]
) -> Iterator[tuple[Platform, Path]]:
    """Let a drop be files in a folder. Those of frames are deleted at the end of the block.

    Args:
        platform: the open platform.
        source: the folder, or name of a table in the catalog -> rows, with the headers that its
            file would have.

    Yields:
        the platform with a catalog that names the files, and the folder.

    Raises:
        ValueError: the catalog has no such table, or two frames are for one file.
    """
    if isinstance(source, Path):
        yield platform, source
        return
    files = _find_files(platform.catalog, source)
    with open_scratch_folder(platform.home / "tmp") as folder:
        for file, frame in files.items():
            frame.write_parquet(folder / f"{file}{ENDING}")
        yield replace(platform, catalog=name_files(platform.catalog)), folder


def _find_files(catalog: Catalog, frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Return the frame of each file. Several tables may read one file."""
    unknown = sorted(frames.keys() - catalog.frozen_tables.keys())
    if unknown:
        raise ValueError(
            f"the catalog has no table {', '.join(unknown)};"
            f" its tables are {', '.join(catalog.frozen_tables)}"
        )
    files: dict[str, pl.DataFrame] = {}
    for table, frame in frames.items():
        file = catalog.file(table)
        if files.setdefault(file, frame) is not frame:
            raise ValueError(f"{table}: a different frame was given for the same file, {file}")
    return files


def name_files(catalog: Catalog) -> Catalog:
    """Return the catalog with a Parquet file in the place of each file.

    Nothing else differs: not what is read from a file, and not what is made of it.
    """
    tables = {
        name: table.model_copy(update={"file": f"{catalog.file(name)}{ENDING}"})
        for name, table in catalog.tables.items()
    }
    events = {
        name: table.model_copy(update={"file": f"{catalog.file(name)}{ENDING}"})
        for name, table in catalog.events.items()
    }
    return catalog.model_copy(update={"tables": tables, "events": events})
