"""Check whether a file can be read as CSV with the columns of the catalog, before its rows are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamflow.catalog import Catalog
from streamflow.core.data.contract import HEADER_ROW, DropViolation, find_header_violations
from streamflow.files import csv_files
from streamflow.files.csv_files import FileBytes


def check_file(
    path: Path,
    table: str,
    file: FileBytes,
    catalog: Catalog,
) -> Sequence[DropViolation]:
    """Return why the file cannot be read as CSV with the catalog's columns; empty if it can."""
    if file.size == 0:
        return [fatal_violation(table, expected="a header and rows", got="an empty file")]
    header = csv_files.read_header(path)
    if header and header[0].startswith(csv_files.BOM):
        got = "a byte order mark (export it as UTF-8 without BOM)"
        return [fatal_violation(table, expected="plain UTF-8", got=got)]
    undecodable = [] if file.is_text else _find_undecodable_cells(path, table, header)
    if undecodable:
        return undecodable
    unreadable = csv_files.find_unreadable_record(path) if file.may_have_long_cells else None
    if unreadable:
        row, record = unreadable
        return [fatal_violation(table, expected="records of CSV", got=record.problem, row=row)]
    return find_header_violations(table, header, list(catalog.file_columns(table)))


def _find_undecodable_cells(path: Path, table: str, header: Sequence[str]) -> list[DropViolation]:
    """Return a violation for each cell that is not text in UTF-8."""
    return [
        fatal_violation(
            table,
            expected="text in UTF-8",
            got=problem,
            row=row,
            column=header[position] if position < len(header) else None,
        )
        for row, position, problem in csv_files.find_undecodable_cells(path)
    ]


def fatal_violation(
    table: str,
    *,
    expected: str,
    got: str,
    row: int = HEADER_ROW,
    column: str | None = None,
) -> DropViolation:
    """Return a violation that makes the file as a whole unusable."""
    return DropViolation(
        table=table,
        column=column,
        row=row,
        expected=expected,
        got=got,
        fatal=True,
    )
