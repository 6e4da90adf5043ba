"""The catalog: the meaning of the data, declared once and read by every other part."""

from streamflow.catalog.declarations import RESERVED, Entity, Feature, Label, Table, View
from streamflow.catalog.definition import Catalog
from streamflow.catalog.file_format import STRICT_CSV, FileFormat
from streamflow.catalog.file_kinds import FileKind, kind_of
from streamflow.catalog.parsing import DEFAULT_PATH, load_catalog, parse_catalog, read_catalog_text
from streamflow.column import Column
from streamflow.column_types import ColumnType

__all__ = [
    "DEFAULT_PATH",
    "RESERVED",
    "STRICT_CSV",
    "Catalog",
    "Column",
    "ColumnType",
    "Entity",
    "Feature",
    "FileFormat",
    "FileKind",
    "Label",
    "Table",
    "View",
    "kind_of",
    "load_catalog",
    "parse_catalog",
    "read_catalog_text",
]
