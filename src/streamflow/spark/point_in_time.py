# ruff: noqa: S608
# The SQL has only names that this module or the session makes, and numbers. No name or text of a
# catalog or a drop is in it.
"""The point-in-time join in Spark SQL.

PostgreSQL has chosen the revisions: at most one of each table and drop. So a read "as of D, as
known at K" is the newest row of each key in these revisions. Spark sums nothing, and an instant is
a whole number of microseconds: both differ between engines.

On the engine a column has a short name by its position, because Spark SQL does not tell `Fee` from
`fee`. The names of the catalog come back with the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from streamflow.spark.session import SparkEngine

DropRevision = tuple[datetime, int]  # as_of and number of a revision of a known table
# Called with a table, columns and a revision; returns its rows with at least these columns.
ReadRevision = Callable[[str, list[str], DropRevision], pl.DataFrame]
# Called with a table, columns with their types in a frame, and a revision; returns the table that
# its rows are on the server: the key as KEY, and the columns as `column_at` names them.
FindTable = Callable[[str, Mapping[str, Any], DropRevision], str]
# Table, columns and revision of rows that were sent -> the table that they are on the server.
SentTables = dict[tuple[str, tuple[str, ...], DropRevision], str]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ROW = "r"  # the position of an entity
KEY = "k"
AS_OF = "t"  # microseconds of UTC


@dataclass(frozen=True, kw_only=True)
class JoinedView:
    """A feature view, as it is joined.

    Attributes:
        table: the table that the view reads.
        features: feature -> the type of its values.
        revisions: the revisions that a row may come from, at most one per as_of.
    """

    table: str
    features: Mapping[str, Any]
    revisions: tuple[DropRevision, ...]


class SentRevisions:
    """Sends revisions to the engine, each once, however many joins read it."""

    def __init__(
        self,
        engine: SparkEngine,
        key: str,
        read_revision: ReadRevision,
        sent_tables: SentTables | None = None,
    ) -> None:
        """Prepare it; nothing is sent yet.

        Args:
            engine: the session.
            key: the name of the key.
            read_revision: reads the rows to send.
            sent_tables: what was sent in the session of the same installation.
        """
        self._engine = engine
        self._key = key
        self._read_revision = read_revision
        self._sent_tables: SentTables = {} if sent_tables is None else sent_tables

    def find_table(self, table: str, columns: Mapping[str, Any], revision: DropRevision) -> str:
        """Send the rows of a revision if they are not sent yet; return their table."""
        identity = (table, tuple(columns), revision)
        if identity not in self._sent_tables:
            rows = self._read_revision(table, [self._key, *columns], revision)
            sent = [pl.col(self._key).alias(KEY)]
            for number, name in enumerate(columns):
                sent.append(pl.col(name).alias(column_at(number)))
            self._sent_tables[identity] = self._engine.send(rows.select(sent))
        return self._sent_tables[identity]


class PointInTimeJoin:
    """Joins views to keys on the engine."""

    def __init__(self, engine: SparkEngine, key_type: Any, find_table: FindTable) -> None:
        """Prepare it.

        Args:
            engine: the session.
            key_type: the type of the keys, in polars.
            find_table: returns the table of a revision.
        """
        self._engine = engine
        self._key_type = key_type
        self._find_table = find_table

    def join(self, keys: pl.Series, views: Sequence[JoinedView]) -> pl.DataFrame:
        """Return the features of each key: the newest row of each view, (n, features).

        The rows are in the order of the keys, and a key may come more than once. A feature is null
        where no revision has the key.
        """
        numbered = pl.DataFrame({KEY: keys}).with_columns(pl.int_range(pl.len()).alias(ROW))
        statement = self.compose(self._engine.send(numbered), views)
        in_order = self._engine.read(self._engine.query(statement)).sort(ROW)
        return in_order.select(
            pl.col(feature_column(view_number, number)).cast(frame_type).alias(name)
            for view_number, view in enumerate(views)
            for number, (name, frame_type) in enumerate(view.features.items())
        )

    def compose(self, entities: str, views: Sequence[JoinedView]) -> str:
        """Return the query that joins views to the keys of a table.

        Its columns are those of the table and, for each view, its `as_of_column` and its
        `feature_column`s.

        Args:
            entities: a table on the engine with the column KEY.
            views: the views.
        """
        columns = ["entity.*"]
        joins = []
        for view_number, view in enumerate(views):
            alias = f"view_{view_number}"
            columns.append(f"{alias}.{AS_OF} AS {as_of_column(view_number)}")
            for number in range(len(view.features)):
                column = feature_column(view_number, number)
                columns.append(f"{alias}.{column_at(number)} AS {column}")
            newest = self._compose_newest(view)
            joins.append(f"LEFT JOIN ({newest}) AS {alias} ON {alias}.{KEY} = entity.{KEY}")
        return f"SELECT {', '.join(columns)} FROM {entities} AS entity {' '.join(joins)}"

    def _compose_newest(self, view: JoinedView) -> str:
        """Compose the query of the newest row of each key of a view."""
        columns = [column_at(number) for number in range(len(view.features))]
        selects = [
            f"SELECT {KEY}, CAST({_to_microseconds(revision[0])} AS BIGINT) AS {AS_OF},"
            f" {', '.join(columns)} FROM {self._find_table(view.table, view.features, revision)}"
            for revision in view.revisions
        ]
        if not selects:
            return self._send_no_rows(view)
        ranked = (
            f"SELECT *, row_number() OVER (PARTITION BY {KEY} ORDER BY {AS_OF} DESC) AS rank"
            f" FROM ({' UNION ALL '.join(selects)}) AS history"
        )
        return f"SELECT * FROM ({ranked}) AS ranked WHERE rank = 1"

    def _send_no_rows(self, view: JoinedView) -> str:
        """Return the query of a view that has no revision: no row, with the right types."""
        types: dict[str, Any] = {KEY: self._key_type, AS_OF: pl.Int64}
        for number, frame_type in enumerate(view.features.values()):
            types[column_at(number)] = frame_type
        return f"SELECT * FROM {self._engine.send(pl.DataFrame(schema=types))}"


def as_of_column(view_number: int) -> str:
    """Return the column with the as_of of the row of a view: microseconds, or null."""
    return f"{AS_OF}{view_number}"


def feature_column(view_number: int, number: int) -> str:
    """Return the column with a feature of a view."""
    return f"v{view_number}_{column_at(number)}"


def column_at(number: int) -> str:
    """Return the name that a column of a revision has on the engine, by its position."""
    return f"c{number}"


def _to_microseconds(instant: datetime) -> int:
    """Return the microseconds from 1970 to an instant.

    >>> _to_microseconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    return (instant - EPOCH) // timedelta(microseconds=1)
