"""Check whether a file can be read with the columns of the catalog, before its rows are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from streamflow.catalog import Catalog, FileFormat
from streamflow.catalog.file_kinds import PARQUET, kind_of
from streamflow.core.data.catalog_definitions import quote_toml
from streamflow.core.data.contract import HEADER_ROW, DropViolation, find_header_violations
from streamflow.core.data.reading_advice import write_changes
from streamflow.files import csv_files, parquet_files, table_files
from streamflow.files.csv_files import FileBytes
from streamflow.files.file_signs import describe_signs
from streamflow.steps.data.reading_advice import find_header_reading


def check_file(
    path: Path,
    table: str,
    file: FileBytes,
    catalog: Catalog,
) -> tuple[list[str], Sequence[DropViolation]]:
    """Return the header of a file, and why the file cannot be read with the catalog's columns.

    There are no violations if it can.
    """
    kind = kind_of(path.name)
    file_format = catalog.file_format(table)
    if file.size == 0:
        return [], [fatal_violation(table, expected="a header and rows", got="an empty file")]
    problem = table_files.find_problem(path, file_format)
    if problem:
        return [], [fatal_violation(table, expected=f"a file of {kind.noun}", got=problem)]
    signs = describe_signs(path, table, catalog) if kind.is_text else ""
    if signs:
        expected = f"{kind.noun} in {file_format.encoding}"
        return [], [fatal_violation(table, expected=expected, got=signs)]
    header = table_files.read_header(path, file_format)
    if kind.is_text:
        violations = _check_text(path, table, file, file_format, header)
    else:
        violations = _check_types(path, table, file_format)
    return header, violations or _check_header(path, table, catalog, header, file_format.ignore)


def _check_header(
    path: Path,
    table: str,
    catalog: Catalog,
    header: Sequence[str],
    ignored: Sequence[str],
) -> list[DropViolation]:
    """Return a violation for each wrong column, or one if a declaration reads the header."""
    names = catalog.required_headers(table)
    violations = find_header_violations(table, header, names, ignored)
    if not violations:
        return []
    changes = find_header_reading(path, table, catalog)
    if changes:
        got = f"a file in a different format (declare {write_changes(changes)} in [files.{table}])"
    elif sorted(map(_plain_name, header)) == sorted(map(_plain_name, names)):
        got = "these names written differently (" + _declare_headers(table, catalog, header) + ")"
    else:
        return violations
    return [fatal_violation(table, expected="the columns of the catalog", got=got)]


def _plain_name(header: str) -> str:
    """Return a header in lower case, with one underscore for all that is no letter or digit.

    >>> _plain_name("Monthly  Charges")
    'monthly_charges'
    """
    return re.sub(r"[\W_]+", "_", header).strip("_").lower()


def _declare_headers(table: str, catalog: Catalog, header: Sequence[str]) -> str:
    """Write what to declare so that the catalog's columns have the headers of the file."""
    by_plain_name = {_plain_name(name): name for name in header}
    key = catalog.entity.key
    declarations = []
    for name, declared in catalog.headers(table).items():
        header_name = by_plain_name[_plain_name(declared)]
        if header_name == declared:
            continue
        if name == key:
            declarations.append(f"key_header = {quote_toml(header_name)} in [files.{table}]")
        else:
            declarations.append(f"header = {quote_toml(header_name)} for {name}")
    return "declare " + ", ".join(declarations)


def _check_text(
    path: Path,
    table: str,
    file: FileBytes,
    file_format: FileFormat,
    header: Sequence[str],
) -> list[DropViolation]:
    """Return why a text file cannot be read as CSV; empty if it can."""
    if header and header[0].startswith(csv_files.BOM):
        got = (
            "a byte order mark (export it as UTF-8 without BOM, or declare "
            f'encoding = "utf-8-sig" in [files.{table}])'
        )
        return [fatal_violation(table, expected="plain UTF-8", got=got)]
    if not file.is_text:
        undecodable = _find_undecodable_cells(path, table, file_format, header)
        if undecodable:
            return undecodable
    if file.may_have_long_cells:
        unreadable = csv_files.find_unreadable_record(path, file_format)
        if unreadable:
            row, record = unreadable
            return [fatal_violation(table, expected="records of CSV", got=record.problem, row=row)]
    return []


def _check_types(path: Path, table: str, file_format: FileFormat) -> list[DropViolation]:
    """Return a violation for each column of a Parquet file whose values are no cells of text."""
    if kind_of(path.name) != PARQUET:
        return []
    return [
        fatal_violation(
            table,
            expected="text, numbers, bools, dates or instants",
            got=f"values of the type {arrow_type} (leave the column out, or name it in ignore)",
            column=column,
        )
        for column, arrow_type in parquet_files.find_types_without_text(path, file_format)
    ]


def _find_undecodable_cells(
    path: Path,
    table: str,
    file_format: FileFormat,
    header: Sequence[str],
) -> list[DropViolation]:
    """Return a violation for each cell that is not text in the encoding of the file."""
    encoding = file_format.encoding.removesuffix("-sig")
    noun = "UTF-8" if encoding == "utf-8" else encoding
    return [
        fatal_violation(
            table,
            expected=f"text in {noun}",
            got=problem,
            row=row,
            column=header[position] if position < len(header) else None,
        )
        for row, position, problem in csv_files.find_undecodable_cells(path, file_format)
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
