"""Say which declarations in the catalog would read a file that cannot be read as it is declared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import get_args

import polars as pl

from streamflow.catalog import STRICT_CSV, Catalog, FileFormat, kind_of
from streamflow.catalog.file_format import Separator
from streamflow.core.data.contract import HEADER_ROW, DropViolation, find_header_violations
from streamflow.core.data.reading_advice import Changes, advise_format, write_changes
from streamflow.files import table_files
from streamflow.files.csv_files import NOT_UTF8, Record

SAMPLE_ROWS = 1_000
MAX_BAD_ROWS = 500
MAX_TITLE_LINES = 5  # lines before a header that are looked for


def find_header_reading(path: Path, table: str, catalog: Catalog) -> Changes | None:
    """Return what to declare differently so that the file has the columns of the catalog.

    None: no declaration that is tried helps. With the columns, a sample of the cells is tried too.
    """
    declared = catalog.file_format(table)
    headers = catalog.required_headers(table)
    for changes in _propose_header_changes(path, declared):
        changed_format = declared.model_copy(update=changes)
        header = table_files.read_header(path, changed_format)
        if not find_header_violations(table, header, headers, changed_format.ignore):
            cells = _read_rows(path, table, catalog, changed_format, range(SAMPLE_ROWS))
            columns = catalog.file_columns(table)
            more_changes, _ = advise_format(cells, columns, changed_format, kind_of(path.name))
            return _keep_declared_ignore({**changes, **more_changes}, table, catalog)
    return None


def _keep_declared_ignore(changes: Changes, table: str, catalog: Catalog) -> Changes:
    """Leave out of `ignore` what needs no declaration: the columns of tables with the same file."""
    if "ignore" not in changes:
        return changes
    declared = catalog.files.get(table, STRICT_CSV).ignore
    neighbours = set(catalog.file_format(table).ignore) - set(declared)
    ignored = tuple(header for header in changes["ignore"] if header not in neighbours)
    return {**changes, "ignore": ignored}


def _propose_header_changes(path: Path, declared: FileFormat) -> Iterator[Changes]:
    """Yield the changes that could give a file the right header, those of few options first."""
    is_text = kind_of(path.name).is_text
    separators = get_args(Separator) if is_text else (declared.separator,)
    can_skip = kind_of(path.name).noun != "Parquet"
    skipped = [declared.skip_lines]
    skipped += [declared.skip_lines + count for count in range(1, MAX_TITLE_LINES + 1)] * can_skip
    ignored = dict.fromkeys((declared.ignore, (*declared.ignore, "")))
    proposals = []
    options = product(separators, skipped, dict.fromkeys((declared.trim, True)), ignored)
    for separator, skip_lines, trim, ignore in options:
        values = {
            "separator": separator,
            "skip_lines": skip_lines,
            "trim": trim,
            "ignore": ignore,
        }
        changes = {
            option: value for option, value in values.items() if value != getattr(declared, option)
        }
        proposals.append(changes)
    yield from sorted(proposals, key=len)


def advise(folder: Path, catalog: Catalog, violations: Sequence[DropViolation]) -> list[str]:
    """Return one sentence for each table of which a declaration would read what is refused."""
    sentences = []
    for table in dict.fromkeys(violation.table for violation in violations):
        path = folder / catalog.file(table)
        if not path.is_file():
            continue  # the table was delivered before, and its keys stay
        table_violations = [violation for violation in violations if violation.table == table]
        changes = _advise_table(path, table, catalog, table_violations)
        if changes:
            sentences.append(
                f"({catalog.file(table)}: to read it, try in [files.{table}] of the catalog: "
                f"{write_changes(changes)})"
            )
    return sentences


def _advise_table(
    path: Path,
    table: str,
    catalog: Catalog,
    violations: Sequence[DropViolation],
) -> Changes:
    """Return what to declare differently in the format of a table; empty when nothing helps."""
    if any(violation.got == NOT_UTF8 for violation in violations):
        return {"encoding": "windows-1252"}
    is_fatal = any(violation.fatal for violation in violations)
    if is_fatal:
        extra = _find_extra_columns(path, table, catalog, violations)
        if not extra:
            return {}
        changes = {"ignore": (*catalog.file_format(table).ignore, *extra)}
        return _keep_declared_ignore(changes, table, catalog)
    bad_rows = [
        violation.row
        for violation in violations
        if violation.row not in (None, HEADER_ROW) and violation.column is not None
    ]
    if not bad_rows:
        return {}
    file_format = catalog.file_format(table)
    sample = _read_rows(path, table, catalog, file_format, range(SAMPLE_ROWS))
    later_rows = sorted({row for row in bad_rows if row >= SAMPLE_ROWS})
    later_cells = _read_rows(path, table, catalog, file_format, later_rows[:MAX_BAD_ROWS])
    cells = pl.concat([sample, later_cells])
    changes, _ = advise_format(cells, catalog.file_columns(table), file_format, kind_of(path.name))
    return changes


def _find_extra_columns(
    path: Path,
    table: str,
    catalog: Catalog,
    violations: Sequence[DropViolation],
) -> list[str]:
    """Return the columns that the file has too many, if nothing else is wrong with its header."""
    headers = set(catalog.headers(table).values())
    names = {violation.column for violation in violations}
    if (
        None in names
        or headers & names
        or not all(violation.row == HEADER_ROW for violation in violations)
    ):
        return []
    header = table_files.read_header(path, catalog.file_format(table))
    return [name for name in header if name in names]


def _read_rows(
    path: Path,
    table: str,
    catalog: Catalog,
    file_format: FileFormat,
    rows: Sequence[int],
) -> pl.DataFrame:
    """Return these rows of a file as text, with the names of the catalog."""
    header = table_files.read_header(path, file_format)
    records = table_files.read_records(path, rows, file_format)
    columns: dict[str, list[str | None]] = {}
    for name, header_name in catalog.headers(table).items():
        if file_format.number_rows and name == catalog.entity.key:
            columns[name] = [str(row + 1) for row in records]
            continue
        position = header.index(header_name)
        columns[name] = [_cell_of(record, position) for record in records.values()]
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _cell_of(record: Record, position: int) -> str | None:
    """Return a cell of a record; None when it is empty or missing."""
    return record.cells[position] or None if position < len(record.cells) else None
