"""Rows with too few or too many cells: a violation for each, with the key that it seems to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from streamflow.catalog import Catalog, kind_of
from streamflow.core.data.cell_forms import canonical_cell
from streamflow.core.data.contract import DropViolation, value_expression
from streamflow.core.data.counts import count_of
from streamflow.files import table_files

Key = str | int | None


def find_ragged_rows(
    path: Path,
    table: str,
    catalog: Catalog,
    header: Sequence[str],
    ragged: Mapping[int, int],
) -> list[DropViolation]:
    """Return a violation for each row that has not as many cells as the header.

    Its key is the cell in the column of the key: the other rows of this key are rejected with it.

    Args:
        ragged: row number -> the number of cells of the row.
    """
    keys = _read_keys(path, table, catalog, header, ragged) if ragged else {}
    expected = count_of(len(header), "cell")
    return [
        DropViolation(
            table=table,
            column=None,
            row=row,
            expected=expected,
            got=f"{count}",
            key=keys.get(row),
        )
        for row, count in ragged.items()
    ]


def _read_keys(
    path: Path,
    table: str,
    catalog: Catalog,
    header: Sequence[str],
    ragged: Mapping[int, int],
) -> dict[int, Key]:
    """Return row number -> the key of the row; None where its cell is no key.

    The cell can be written differently, as ` U1 ` or `007`. `forget` has to find the row, too.
    """
    entity = catalog.entity
    file_format = catalog.file_format(table)
    key_header = catalog.headers(table).get(entity.key)
    if key_header is None or key_header not in header:
        return {}
    position = list(header).index(key_header)
    records = table_files.read_records(path, ragged, file_format)
    cells = {}
    for row, record in records.items():
        if position < len(record.cells):
            cells[row] = record.cells[position]
    kind = kind_of(path.name)
    text = canonical_cell(
        pl.col("cell"),
        entity.type,
        file_format,
        kind,
    )
    key = value_expression(text, entity.type)
    texts = pl.Series("cell", list(cells.values()), pl.String)
    keys = texts.to_frame().select(key)
    return dict(zip(cells, keys.to_series(), strict=True))
