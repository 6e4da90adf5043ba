"""CSV files in: text cells out, and the physical line of a record when an error needs it."""

from __future__ import annotations

import csv
from hashlib import file_digest
from pathlib import Path

import polars as pl


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def read_header(path: Path) -> list[str]:
    """The names in the first record; empty when the file is."""
    with path.open(encoding="utf-8", newline="") as stream:
        return next(csv.reader(stream), [])


def read_text(path: Path) -> pl.DataFrame:
    """All cells as text, a null where a cell is empty. (n, columns)"""
    return pl.read_csv(path, infer_schema=False).with_columns(pl.all().replace("", None))


def physical_lines(path: Path, rows: set[int]) -> dict[int, int]:
    """The first physical line, from 1, of each record in `rows` (from 0, the header not counted)."""
    found: dict[int, int] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        next(reader, None)
        start = reader.line_num + 1
        row = 0
        for record in reader:
            if record:  # an empty line is no record
                if row in rows:
                    found[row] = start
                row += 1
            start = reader.line_num + 1
    return found
