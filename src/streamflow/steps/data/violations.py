"""Describe violations for a person: the file, the line and the column of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from streamflow.catalog import Catalog, FileFormat, kind_of
from streamflow.core.data.contract import DropViolation, quote_cell
from streamflow.core.data.counts import count_of
from streamflow.errors import ContractViolation
from streamflow.files import table_files
from streamflow.steps.data.reading_advice import advise

MAX_LISTED = 20  # violations in the message; all of them are in the error's facts


def describe_violations(
    folder: Path,
    catalog: Catalog,
    violations: Sequence[DropViolation],
) -> list[str]:
    """Return one line of text for each violation.

    A line reads like
    `month_000/subscriptions.csv:17 column 'monthly_fee': expected number >= 0, got '-3'`. A file
    that has no lines has rows: `users.parquet row 17`.
    """
    rows_by_table: dict[str, set[int]] = {violation.table: set() for violation in violations}
    for violation in violations:
        if violation.row is not None:
            rows_by_table[violation.table].add(violation.row)
    lines_by_table = {
        table: _physical_lines(folder / catalog.file(table), rows, catalog.file_format(table))
        for table, rows in rows_by_table.items()
    }
    return [
        _describe_violation(
            f"{folder.name}/{catalog.file(violation.table)}",
            violation,
            lines_by_table[violation.table],
        )
        for violation in violations
    ]


def make_violation_error(
    folder: Path,
    catalog: Catalog,
    violations: Sequence[DropViolation],
    *,
    note: str = "",
) -> ContractViolation:
    """Return the error that lists the violations; `note` is one more line of its message."""
    # Two tables may read one file, and find the same in it.
    lines = list(dict.fromkeys(describe_violations(folder, catalog, violations)))
    listed = lines[:MAX_LISTED]
    if len(lines) > MAX_LISTED:
        listed.append(f"… and {len(lines) - MAX_LISTED} more")
    listed.append(f"({count_of(len(lines), 'violation')})")
    listed += advise(folder, catalog, violations)
    if note:
        listed.append(note)
    return ContractViolation("\n".join(listed), violations=lines)


def _physical_lines(path: Path, rows: set[int], file_format: FileFormat) -> dict[int, int]:
    """Return the line number of each row of a file; empty when the file is missing or unusable."""
    if not rows or not path.is_file() or table_files.find_problem(path, file_format):
        return {}
    records = table_files.read_records(path, rows, file_format)
    return {row: record.line for row, record in records.items()}


def _describe_violation(file: str, violation: DropViolation, lines: Mapping[int, int]) -> str:
    """Return the text of one violation; `lines` maps a row number to its line number."""
    line = None if violation.row is None else lines.get(violation.row)
    separator = ":" if kind_of(file).is_text else " row "
    location = f"{file}{separator}{line}" if line else file
    column = f" column {quote_cell(violation.column)}" if violation.column else ""
    got = violation.got or "none"
    return f"{location}{column}: expected {violation.expected}, got {got}"
