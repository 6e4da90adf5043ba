"""Drop folders: CSV files and a drop.toml with the date that they are about.

A folder is written completely or not at all.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from filecmp import cmp
from pathlib import Path
from shutil import rmtree

import polars as pl

from streamflow.errors import DropConflict, StreamflowError

DATE_FILE = "drop.toml"
# How drop.toml begins if we wrote the folder. Only such a folder may be replaced.
SIMULATED_MARK = "# Simulated: "


def write_drop(
    folder: Path, tables: Mapping[str, pl.DataFrame], as_of: date, *, origin: str
) -> bool:
    """Write `<table>.csv` for each table, and `drop.toml`.

    Args:
        tables: The frames by table name. A boolean is written as True or False, a null as an
            empty cell, a float in its shortest form, a date as YYYY-MM-DD.
        origin: One line for a reader: the arguments of the simulation.

    Returns:
        False if the folder holds these bytes already.

    Raises:
        DropConflict: The folder exists and holds something that the simulation did not write.
        StreamflowError: The folder cannot be written.
    """
    prefix = f".{folder.name}.{os.getpid()}"
    temporary = folder.parent / prefix
    replaced = folder.parent / f"{prefix}.replaced"
    try:
        # A killed run can have left these folders. In a container, all runs have our process id.
        rmtree(temporary, ignore_errors=True)
        rmtree(replaced, ignore_errors=True)
        _write_files(temporary, tables, f"{SIMULATED_MARK}{origin}\nas_of = {as_of.isoformat()}\n")
        if _have_same_files(folder, temporary):
            return False
        if folder.exists():
            _require_replaceable(folder, _list_names(temporary))
            # A reader sees the old drop, none or the new one, and never a part of it.
            folder.rename(replaced)
        temporary.rename(folder)
        rmtree(replaced, ignore_errors=True)
    except OSError as exc:
        raise StreamflowError(
            f"{folder}: {exc.strerror or exc}",
            state="This drop was not written; the drops before it are complete.",
            remedy="Name another folder.",
        ) from exc
    finally:
        rmtree(temporary, ignore_errors=True)
    return True


def _write_files(folder: Path, tables: Mapping[str, pl.DataFrame], drop_toml: str) -> None:
    """Write the CSV files and then drop.toml into a new folder."""
    folder.mkdir(parents=True)
    for name, table in tables.items():
        path = folder / f"{name}.csv"
        _spell_booleans(table).write_csv(path, line_terminator="\n")
    (folder / DATE_FILE).write_bytes(drop_toml.encode())


def _spell_booleans(table: pl.DataFrame) -> pl.DataFrame:
    """Replace booleans by the texts True and False, as Python spells them."""
    column = pl.col(pl.Boolean)
    text = pl.when(column).then(pl.lit("True")).when(~column).then(pl.lit("False"))
    return table.with_columns(text.name.keep())


def _list_names(folder: Path) -> set[str]:
    """List the names of everything in a folder."""
    return {path.name for path in folder.iterdir()}


def _have_same_files(folder: Path, expected: Path) -> bool:
    """Return whether a folder exists and holds the same files as `expected`, byte for byte."""
    if not folder.is_dir() or _list_names(folder) != _list_names(expected):
        return False
    names = _list_names(expected)
    return all(cmp(folder / name, expected / name, shallow=False) for name in names)


def _require_replaceable(folder: Path, names: set[str]) -> None:
    """Raise DropConflict unless we wrote the folder and it holds no file beyond `names`."""
    date_file = folder / DATE_FILE
    is_simulated = date_file.is_file() and date_file.read_text(encoding="utf-8").startswith(
        SIMULATED_MARK
    )
    if not is_simulated or not _list_names(folder) <= names:
        raise DropConflict(
            f"{folder} exists with different content, and not only with files that "
            "'streamflow simulate' wrote.",
            state="That folder was left as it is.",
            remedy="Name another folder, or move this one away, and run 'streamflow simulate' "
            "again.",
        )


def read_drop_date(folder: Path) -> date | None:
    """Read the as_of date from the drop.toml of a folder; None when there is no such file.

    Raises:
        DropConflict: The file cannot be read, or its as_of is not a date.
    """
    path = folder / DATE_FILE
    try:
        as_of = tomllib.loads(path.read_text(encoding="utf-8"))["as_of"]
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, KeyError, tomllib.TOMLDecodeError) as exc:
        raise DropConflict(
            f"{path}: 'as_of = YYYY-MM-DD' cannot be read ({exc})",
            remedy="Correct the file.",
        ) from exc
    if not isinstance(as_of, date) or isinstance(as_of, datetime):
        raise DropConflict(
            f"{path}: as_of must be a date like 2024-01-31, without quotes",
            remedy="Correct the file.",
        )
    return as_of
