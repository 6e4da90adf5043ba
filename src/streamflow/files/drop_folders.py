"""Folders of CSV files with the date that they are about: written completely or not at all, and their drop.toml read."""

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
MARK = "# Simulated: "  # how drop.toml begins if we wrote the folder; only such a folder may be replaced


def write_drop(
    folder: Path, tables: Mapping[str, pl.DataFrame], as_of: date, *, origin: str
) -> bool:
    """Write `<table>.csv` for each of `tables` and `drop.toml`; False if `folder` holds these bytes already.

    tables  booleans become True/False, a null an empty cell, a float its shortest form, a date YYYY-MM-DD
    origin  one line for a reader: with which arguments this was simulated
    """
    temporary = folder.parent / f".{folder.name}.{os.getpid()}"
    replaced = folder.parent / f".{folder.name}.{os.getpid()}.replaced"
    try:
        for leftover in (
            temporary,
            replaced,
        ):  # of a killed run that had our process id, as all have in a container
            rmtree(leftover, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name, table in tables.items():
            _python_booleans(table).write_csv(temporary / f"{name}.csv", line_terminator="\n")
        (temporary / DATE_FILE).write_bytes(
            f"{MARK}{origin}\nas_of = {as_of.isoformat()}\n".encode()
        )
        if _equal(folder, temporary):
            return False
        if folder.exists():
            _check_replaceable(folder, _names(temporary))
            folder.rename(
                replaced
            )  # a reader meets the old drop, none or the new one, never a part
        temporary.rename(folder)
        rmtree(replaced, ignore_errors=True)
    except OSError as exc:
        state = "This drop was not written; the ones before it are complete."
        raise StreamflowError(
            f"{folder}: {exc.strerror or exc}", state=state, remedy="Name another folder."
        ) from exc
    finally:
        rmtree(temporary, ignore_errors=True)
    return True


def _python_booleans(table: pl.DataFrame) -> pl.DataFrame:
    column = pl.col(pl.Boolean)
    return table.with_columns(
        pl.when(column).then(pl.lit("True")).when(~column).then(pl.lit("False")).name.keep()
    )


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _equal(one: Path, other: Path) -> bool:
    return (
        one.is_dir()
        and _names(one) == _names(other)
        and all(cmp(one / name, other / name, shallow=False) for name in _names(other))
    )


def _check_replaceable(folder: Path, names: set[str]) -> None:
    """Refuse a folder that we did not write, or that holds more than the files `names`."""
    mark = folder / DATE_FILE
    ours = mark.is_file() and mark.read_text(encoding="utf-8").startswith(MARK)
    if not ours or not _names(folder) <= names:
        raise DropConflict(
            f"{folder} exists with other content, and not only with files that 'streamflow simulate' wrote.",
            state="That folder was left as it is.",
            remedy="Name another folder, or move this one away, and run 'streamflow simulate' again.",
        )


def dated(folder: Path) -> date | None:
    """The as_of that the folder's drop.toml says; None where there is no such file. Raises DropConflict."""
    path = folder / DATE_FILE
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))["as_of"]
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, KeyError, tomllib.TOMLDecodeError) as exc:
        raise DropConflict(
            f"{path}: no 'as_of = YYYY-MM-DD' to read ({exc})", remedy="Correct it."
        ) from exc
    if not isinstance(found, date) or isinstance(found, datetime):
        raise DropConflict(
            f"{path}: as_of must be a date like 2024-01-31, without quotes", remedy="Correct it."
        )
    return found
