"""The catalog: the meaning of the data, declared once and read by every other part."""

from streamflow.catalog.declarations import RESERVED, Entity, Feature, Label, Table, View
from streamflow.catalog.definition import Catalog
from streamflow.catalog.parsing import DEFAULT_PATH, load_catalog, parse_catalog, read_catalog_text
from streamflow.column import Column
from streamflow.column_types import ColumnType

__all__ = [
    "DEFAULT_PATH",
    "RESERVED",
    "Catalog",
    "Column",
    "ColumnType",
    "Entity",
    "Feature",
    "Label",
    "Table",
    "View",
    "load_catalog",
    "parse_catalog",
    "read_catalog_text",
]
