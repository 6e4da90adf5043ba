"""The columns of a catalog by which users are divided into segments."""

from __future__ import annotations

from dataclasses import dataclass

from streamflow.catalog import Catalog

# More columns would make a page that nobody reads.
MAX_SEGMENT_COLUMNS = 12


@dataclass(frozen=True, kw_only=True)
class SegmentColumn:
    """A column with few values. PostgreSQL writes its values as text: a bool is true or false.

    label   what people call the column
    values  its categories in the order of the catalog
    """

    table: str
    name: str
    label: str
    values: tuple[str, ...]

    @property
    def is_bool(self) -> bool:
        """Return whether the values are true and false."""
        return self.values == BOOL_VALUES


BOOL_VALUES = ("true", "false")


def list_segment_columns(catalog: Catalog) -> tuple[SegmentColumn, ...]:
    """List the columns with declared categories, then the bools, but never the label.

    Every table with one row per user counts. A name that two tables have counts once.
    """
    columns: dict[str, SegmentColumn] = {}
    for table, declared_table in catalog.tables.items():
        if table == catalog.label.table and table != catalog.entity.table:
            continue
        for name, column in declared_table.columns.items():
            values = BOOL_VALUES if column.type == "bool" else column.categories or ()
            if not values or name == catalog.label.column or name in columns:
                continue
            columns[name] = SegmentColumn(
                table=table,
                name=name,
                label=column.words or name.replace("_", " "),
                values=values,
            )
    categories_first = sorted(columns.values(), key=lambda column: column.is_bool)
    return tuple(categories_first[:MAX_SEGMENT_COLUMNS])
