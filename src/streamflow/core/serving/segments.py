"""The columns of a catalog by which users are divided into segments."""

from __future__ import annotations

from dataclasses import dataclass

from streamflow.catalog import Catalog
from streamflow.column import Column, TenureUnit

# More columns would make a page that nobody reads.
MAX_SEGMENT_COLUMNS = 12

BOOL_VALUES = ("true", "false")

# The first full month of each band of the tenure: a convention. Many leave in the first months,
# and the bands are narrow there.
TENURE_MONTHS = (0, 3, 6, 12, 24, 48)
TENURE_BANDS = ("0-2", "3-5", "6-11", "12-23", "24-47", "48+")
TENURE_LABEL = "tenure in full months"


@dataclass(frozen=True, kw_only=True)
class SegmentColumn:
    """A column with few values. PostgreSQL writes its values as text: a bool is true or false.

    label   what people call the column
    values  its categories in the order of the catalog
    tenure  how the column says the tenure; the values are then TENURE_BANDS
    """

    table: str
    name: str
    label: str
    values: tuple[str, ...]
    tenure: TenureUnit | None = None

    @property
    def is_bool(self) -> bool:
        """Return whether the values are true and false."""
        return self.values == BOOL_VALUES


def list_segment_columns(catalog: Catalog) -> tuple[SegmentColumn, ...]:
    """List the columns with declared categories, then the tenure and the bools, but no label.

    Every table with one row per user counts. A name that two tables have counts once.
    """
    columns: dict[str, SegmentColumn] = {}
    for table, declared_table in catalog.tables.items():
        if table == catalog.label.table and table != catalog.entity.table:
            continue
        for name, column in declared_table.columns.items():
            if name == catalog.label.column or name in columns or column.tenure:
                continue
            values = BOOL_VALUES if column.type == "bool" else column.categories or ()
            if values:
                label = column.words or name.replace("_", " ")
                columns[name] = SegmentColumn(table=table, name=name, label=label, values=values)
    categories = [column for column in columns.values() if not column.is_bool]
    bools = [column for column in columns.values() if column.is_bool]
    tenure = find_tenure_column(catalog)
    if tenure is None:
        return tuple([*categories, *bools][:MAX_SEGMENT_COLUMNS])
    first_columns = [*categories[: MAX_SEGMENT_COLUMNS - 1], tenure]
    return tuple([*first_columns, *bools][:MAX_SEGMENT_COLUMNS])


def find_tenure_column(catalog: Catalog) -> SegmentColumn | None:
    """Return the column that says the tenure, divided into bands; None: no column says it."""
    for table, declared_table in catalog.frozen_tables.items():
        for name, column in declared_table.columns.items():
            if column.tenure is not None:
                return _make_tenure_column(table, name, column)
    return None


def _make_tenure_column(table: str, name: str, column: Column) -> SegmentColumn:
    return SegmentColumn(
        table=table,
        name=name,
        label=TENURE_LABEL,
        values=TENURE_BANDS,
        tenure=column.tenure,
    )
