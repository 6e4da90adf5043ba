"""Violations in words: file, line and column of each, as a person looks them up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from streamflow.catalog import Catalog
from streamflow.core.data.contract import Violation
from streamflow.errors import ContractViolation
from streamflow.files import csv_files

SHOWN = 20  # violations in the message; all are in `facts`


def in_words(folder: Path, catalog: Catalog, violations: Sequence[Violation]) -> list[str]:
    """A line for each: `month_000/subscriptions.csv:17 column 'monthly_fee': expected number >= 0, got '-3'`."""
    lines = {
        table: _physical_lines(
            folder / catalog.file(table),
            {v.row for v in violations if v.table == table and v.row is not None},
        )
        for table in {v.table for v in violations}
    }
    return [_line(f"{folder.name}/{catalog.file(v.table)}", v, lines[v.table]) for v in violations]


def violation_error(
    folder: Path, catalog: Catalog, violations: Sequence[Violation], *, said: str = ""
) -> ContractViolation:
    """The error that lists them; `said` is one more line."""
    lines = in_words(folder, catalog, violations)
    shown = lines[:SHOWN] + ([f"… and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])
    counted = f"({len(lines)} violation{'s' if len(lines) > 1 else ''})"
    return ContractViolation(
        "\n".join([*shown, counted, *([said] if said else [])]), violations=lines
    )


def _physical_lines(path: Path, rows: set[int]) -> dict[int, int]:
    if not rows or not path.is_file():
        return {}
    return {row: record.line for row, record in csv_files.records(path, rows).items()}


def _line(file: str, violation: Violation, lines: Mapping[int, int]) -> str:
    number = None if violation.row is None else lines.get(violation.row)
    where = f"{file}:{number}" if number else file
    column = f" column '{violation.column}'" if violation.column else ""
    return f"{where}{column}: expected {violation.expected}, got {violation.got or 'none'}"
