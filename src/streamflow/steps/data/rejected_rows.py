"""The rows of a drop that are kept apart: find them, and describe each with its line and reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.data.counts import count_of
from streamflow.core.data.rejects import Reject, find_rejected_keys, list_rejects
from streamflow.files import table_files
from streamflow.platform import Platform
from streamflow.steps.data.drop_reading import CheckedDrop
from streamflow.steps.data.violations import describe_violations, make_violation_error
from streamflow.warehouse import erasures
from streamflow.warehouse.drops import RejectedRow


def find_rejects(platform: Platform, folder: Path, drop: CheckedDrop) -> list[Reject]:
    """Return the rows to keep apart.

    Raises:
        ContractViolation: a file is unusable as a whole, or too many keys would be rejected.
    """
    catalog = platform.catalog
    max_share = platform.settings.max_reject_share
    violations = drop.violations
    keys = drop.keys
    if any(violation.fatal or violation.table not in keys for violation in violations):
        raise make_violation_error(folder, catalog, violations)
    row_rejects = list_rejects(violations, keys, key=catalog.entity.key)
    key_count = max(len(rows) for table, rows in keys.items() if table not in catalog.events)
    # Two tables may read one file: its row is one row.
    keyless_rows = {
        (catalog.file(reject.table), reject.row) for reject in row_rejects if reject.key is None
    }
    rejected_count = len(find_rejected_keys(violations)) + len(keyless_rows)
    share = rejected_count / key_count
    if share > max_share:
        note = (
            f"({share:.2%} of {count_of(key_count, 'key')} would be rejected, "
            f"the setting max_reject_share allows {max_share:.2%})"
        )
        raise make_violation_error(folder, catalog, violations, note=note)
    return row_rejects


def describe_rejects(
    folder: Path,
    catalog: Catalog,
    row_rejects: Sequence[Reject],
) -> list[RejectedRow]:
    """Return the rejects as they are stored: with line, reason and cells."""
    causes = list(dict.fromkeys(reject.cause for reject in row_rejects))
    descriptions = describe_violations(folder, catalog, causes)
    description_of = dict(zip(causes, descriptions, strict=True))
    rejected_rows = []
    for table in dict.fromkeys(reject.table for reject in row_rejects):
        path = folder / catalog.file(table)
        file_format = catalog.file_format(table)
        header = table_files.read_header(path, file_format)
        table_rejects = [reject for reject in row_rejects if reject.table == table]
        row_numbers = {reject.row for reject in table_rejects}
        records = table_files.read_records(path, row_numbers, file_format)
        for reject in table_rejects:
            record = records[reject.row]
            cells = _name_cells(catalog, table, header, record.cells)
            rejected_rows.append(
                RejectedRow(
                    table_name=table,
                    file=catalog.file(table),
                    line=record.line,
                    key=None if reject.key is None else str(reject.key),
                    reason=_explain_reject(reject, description_of[reject.cause]),
                    cells=json.dumps(cells, ensure_ascii=False),
                )
            )
    return rejected_rows


def _name_cells(
    catalog: Catalog,
    table: str,
    header: Sequence[str],
    cells: Sequence[str],
) -> dict[str, str]:
    """Return name in the catalog -> cell. Columns that are not read are not kept here either.

    `forget` finds a key by the name that it has in the catalog.
    """
    names = {header: name for name, header in catalog.headers(table).items()}
    pairs = zip(header, cells, strict=False)
    return {names[header]: cell for header, cell in pairs if header in names}


def _explain_reject(reject: Reject, cause_description: str) -> str:
    """Return why a row is rejected: it is the cause itself, or it is left out with the cause."""
    is_cause = (reject.cause.table, reject.cause.row) == (reject.table, reject.row)
    return cause_description if is_cause else f"left out with {cause_description}"


def leave_forgotten_out(
    platform: Platform,
    rejected_rows: Sequence[RejectedRow],
    as_of: datetime,
) -> list[RejectedRow]:
    """Leave out rejected rows of forgotten keys, also of rows without all of their cells."""
    keys = [row.key for row in rejected_rows if row.key is not None]
    forgotten_keys = erasures.find_forgotten_keys(
        platform.connection, pl.Series(keys, dtype=pl.String), as_of
    )
    return [row for row in rejected_rows if row.key not in forgotten_keys]
