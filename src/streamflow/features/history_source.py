# ruff: noqa: S608
# In the SQL identifiers are quoted, and relations are the sources' own.
"""The rows behind a Feast source, and the SQL expressions that read their columns.

A source is one of our histories, whose rows are revisions, or any table or query of PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from streamflow.features.point_in_time_join import KNOWN_SINCE, KNOWN_UNTIL

RunQuery = Callable[..., pa.Table]  # (statement, parameters) -> rows
# The columns of our histories: when a revision became known, and until when it was the newest.
KNOWN_AT = "known_at"
SUPERSEDED_AT = "superseded_at"
#: Types of PostgreSQL without a plain type of Arrow -> the type in which they are read.
#: A type that is not here and has none is read as text.
READABLE_TYPES = {"numeric": "float8", "_numeric": "float8[]", "interval": "text"}
POLARS_TYPES = {"float8": pl.Float64, "text": pl.String}
#: Types of instants without a time zone -> the SQL that takes them as UTC.
UTC_TEMPLATES = {
    "timestamp": "{} AT TIME ZONE 'UTC'",
    "date": "{}::timestamp AT TIME ZONE 'UTC'",
}


def quote_identifier(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, kw_only=True)
class HistorySource:
    """The rows of a Feast source.

    relation         a table, or a query in parentheses
    timestamp_field  the column of the instant that a row describes
    created_column   the column of the instant at which a row was made; None: there is none
    schema           the columns with their types
    """

    relation: str
    timestamp_field: str
    created_column: str | None
    schema: pa.Schema

    @property
    def has_revisions(self) -> bool:
        """Whether the rows are revisions, as in our histories."""
        return {KNOWN_AT, SUPERSEDED_AT} <= set(self.schema.names)

    @property
    def known_since(self) -> str | None:
        """Return the SQL of the instant since when a row is known. None: nobody knows."""
        if self.has_revisions:
            return quote_identifier(KNOWN_AT)
        return quote_identifier(KNOWN_SINCE) if self.created_column else None

    @property
    def known_until(self) -> str | None:
        """Return the SQL of the instant at which a newer row took a row's place."""
        if self.has_revisions:
            return quote_identifier(SUPERSEDED_AT)
        return quote_identifier(KNOWN_UNTIL) if self.created_column else None

    @property
    def as_of(self) -> str:
        """Return the SQL of the instant that a row describes."""
        return self._instant(self.timestamp_field)

    def value(self, column: str) -> str:
        """Return the SQL of a column, in a type that Arrow and polars can read."""
        readable_type = self._readable_type(column)
        quoted = quote_identifier(column)
        return f"{quoted}::{readable_type}" if readable_type else quoted

    def polars_type(self, column: str) -> pl.DataType:
        """Return the type of `value` in a polars frame."""
        readable_type = self._readable_type(column)
        if readable_type in POLARS_TYPES:
            return POLARS_TYPES[readable_type]()
        return pl.DataFrame(self.schema.empty_table().select([column])).dtypes[0]

    def rows(self, keys: Sequence[str]) -> str:
        """Return the item of FROM for the rows, called `history`.

        Args:
            keys: the key columns. Rows with equal keys and instant differ only in when they were
                made; the newest one takes the place of the others.
        """
        if self.has_revisions or not self.created_column:
            return f"{self.relation} AS history"
        created = self._instant(self.created_column)
        same_row = ", ".join(map(quote_identifier, [*keys, self.timestamp_field]))
        return (
            f"(SELECT source.*, {created} AS {quote_identifier(KNOWN_SINCE)},"
            f" lead({created}) OVER (PARTITION BY {same_row} ORDER BY {created} NULLS FIRST)"
            f" AS {quote_identifier(KNOWN_UNTIL)} FROM {self.relation} AS source) AS history"
        )

    def _instant(self, column: str) -> str:
        """Return the SQL of a column as an instant with a time zone."""
        template = UTC_TEMPLATES.get(self._sql_type(column), "{}")
        return template.format(quote_identifier(column))

    def _readable_type(self, column: str) -> str | None:
        """Return the type to which a column is cast before it is read. None: its own."""
        sql_type = self._sql_type(column)
        arrow_type = self.schema.field(column).type
        if sql_type in READABLE_TYPES:
            return READABLE_TYPES[sql_type]
        if isinstance(arrow_type, pa.BaseExtensionType):
            return "text"
        is_list = pa.types.is_list(arrow_type)
        if is_list and isinstance(arrow_type.value_type, pa.BaseExtensionType):
            return "text[]"
        return None

    def _sql_type(self, column: str) -> str:
        """Return PostgreSQL's name of the type of a column."""
        if column not in self.schema.names:
            raise ValueError(f"the source {self.relation} has no column '{column}'")
        metadata = self.schema.field(column).metadata or {}
        return str(metadata.get(b"POSTGRESQL:type", b"").decode())


def read_source(
    run_query: RunQuery,
    relation: str,
    timestamp_field: str,
    created_column: str | None,
) -> HistorySource:
    """Ask PostgreSQL for the columns of a source."""
    columns = run_query(f"SELECT * FROM {relation} AS history LIMIT 0")
    return HistorySource(
        relation=relation,
        timestamp_field=timestamp_field,
        created_column=created_column,
        schema=columns.schema,
    )
