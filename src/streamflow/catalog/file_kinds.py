"""The kinds of files that a drop may hold. The ending of a file's name decides its kind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """One kind of file.

    noun         how people call it
    endings      how the names of its files end, in lower case; CSV has all other endings
    is_text      the file is text, and its cells have no types of their own
    meaningless  the options of a `FileFormat` that say nothing about such a file
    """

    noun: str
    endings: tuple[str, ...]
    is_text: bool
    meaningless: tuple[str, ...]


CSV = FileKind(
    noun="CSV",
    endings=(),
    is_text=True,
    meaningless=("sheet",),
)
COMPRESSED_CSV = FileKind(
    noun="compressed CSV",
    endings=(".gz",),
    is_text=True,
    meaningless=("sheet",),
)
PARQUET = FileKind(
    noun="Parquet",
    endings=(".parquet",),
    is_text=False,
    meaningless=("separator", "encoding", "skip_lines", "sheet"),
)
EXCEL = FileKind(
    noun="Excel",
    endings=(".xlsx",),
    is_text=False,
    meaningless=("separator", "encoding"),
)


def default_file(table: str) -> str:
    """Return the name of the file of a table for which the catalog declares none."""
    return f"{table}.csv"


def kind_of(file: str) -> FileKind:
    """Return the kind of a file by the ending of its name. An unknown ending is CSV.

    >>> kind_of("Users.CSV.gz").noun, kind_of("users.XLSX").noun, kind_of("users.data").noun
    ('compressed CSV', 'Excel', 'CSV')
    """
    name = file.lower()
    for kind in (COMPRESSED_CSV, PARQUET, EXCEL):
        if name.endswith(kind.endings):
            return kind
    return CSV
