"""What a catalog declares: tables, events, feature views, the entity, the label, and features."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streamflow.catalog.aggregate import Aggregate
from streamflow.column import CatalogPart, Column, Identifier

# Names of columns that streamflow adds itself.
RESERVED = {
    "as_of",
    "revision",
    "known_at",
    "superseded_at",
    "row_digest",
    "event_timestamp",
    "created_timestamp",
}
# The column of a raw table of events that holds the number of a row in its file, from 0.
ROW_NUMBER = "row_number"


class Table(CatalogPart):
    """One file of a drop, and the tables that are made of it."""

    file: str = ""
    columns: dict[Identifier, Column]


class Events(CatalogPart):
    """One file of a drop that has any number of rows per key, and the table that is made of it.

    time        the column that says when a row happened: an instant or a date
    columns     the columns of the file
    aggregates  the columns of the frozen table, which has one row per key of the entity
    """

    file: str = ""
    time: Identifier
    columns: dict[Identifier, Column] = Field(min_length=1)
    aggregates: dict[Identifier, Aggregate] = Field(min_length=1)

    @property
    def frozen(self) -> Table:
        """Return the table that is made of the events."""
        return Table(file=self.file, columns=dict(self.aggregates))


class View(CatalogPart):
    """A feature view over one table.

    max_age_days  how old a live row may be when it is served; None: any age
    """

    table: Identifier
    ttl_days: int | None = Field(default=None, gt=0)
    max_age_days: int | None = Field(default=None, gt=0, le=36_500)


class Entity(CatalogPart):
    """What a row is about, and its key."""

    name: Identifier
    key: Identifier
    type: Literal["string", "int"] = "string"
    max_length: int = Field(default=64, gt=0)
    table: Identifier


class Label(CatalogPart):
    """The table and the column that hold the outcome."""

    table: Identifier
    column: Identifier


class Feature(CatalogPart):
    """A column that a view serves to the model."""

    name: str
    view: str
    table: str
    column: Column

    @property
    def ref(self) -> str:
        """Return Feast's name of the feature: `view:feature`."""
        return f"{self.view}:{self.name}"
