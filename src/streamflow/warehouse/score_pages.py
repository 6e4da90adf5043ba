"""Read what a page or a command shows of scored drops. No statement reads all rows of a drop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

from streamflow.core.serving.segments import SegmentColumn
from streamflow.database.sql_files import load_queries
from streamflow.warehouse.segment_values import compose_category, name_segment

QUERIES = load_queries(__file__, "score_pages.sql")

# No row has this position or a higher one: a list that begins here begins with the first user.
FIRST_POSITION = (2.0, "")

# The users that a filtered list reads at most for one page. Each costs about 20 µs.
MAX_SEARCHED = 10_000


@dataclass(frozen=True, kw_only=True)
class ScoredDrop:
    """One scored drop: the run of `score`, its summary, and its outcome.

    trained_as_of  None, and so all after it: the run has no summary
    label_as_of    None: no labels have come
    tenths         for each tenth of probability: its number, users, the sum of their
                   probabilities, and how many left
    is_in_lake     whether rows of the drop lie in the lake; they may be loaded here, too
    """

    id: int
    at: datetime
    as_of: datetime
    known_at: datetime
    version: int
    run_id: str
    threshold: float | None
    explained: bool
    rows: int
    flagged: int
    missing: int
    trained_as_of: datetime | None
    label_lead: int | None
    expected: float | None
    defaulted: int | None
    oldest_as_of: datetime | None
    label_as_of: datetime | None
    tenths: Sequence[Sequence[float]] | None
    is_in_lake: bool


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """Which users of a scored drop a list shows.

    run, earlier_run  the scored drop, and the one before it that it is compared with
    position          the list begins after the user with this probability and key
    segments          table -> its segment columns
    chosen            segment column -> its category; None: the users without a value
    least_change      the least change of probability; None: any
    most_change       the highest change of probability; None: any
    max_searched      how many users are read at most if a user may be left out
    """

    run: ScoredDrop
    earlier_run: int | None
    key: str
    key_type: str
    position: tuple[float, str]
    segments: Mapping[str, Sequence[SegmentColumn]]
    chosen: Mapping[str, str | None]
    least_change: float | None
    most_change: float | None
    limit: int
    max_searched: int = MAX_SEARCHED

    @property
    def is_filtered(self) -> bool:
        """Return whether a user of the drop may be left out."""
        has_change = self.least_change is not None or self.most_change is not None
        return bool(self.chosen) or has_change

    @property
    def searched(self) -> int:
        """Return how many users are read at most."""
        return self.max_searched if self.is_filtered else self.limit


def read_newest_drops(
    connection: psycopg.Connection,
    model: str,
    *,
    limit: int,
) -> list[ScoredDrop]:
    """Read the newest scored drops, the newest first."""
    with connection.cursor(row_factory=class_row(ScoredDrop)) as cursor:
        values = {"model": model, "limit": limit}
        return cursor.execute(QUERIES["select_newest_runs"], values).fetchall()


def read_list(connection: psycopg.Connection, query: ListQuery) -> list[dict[str, Any]]:
    """Read the users of a list, the highest probability first.

    Returns:
        key, probability, prediction, reasons, defaulted, features_as_of, earlier, and the
        segment columns of each user, as text, under their `name_segment`
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_compose_list(query), _list_values(query)).fetchall()


def _list_values(query: ListQuery) -> dict[str, Any]:
    probability, key = query.position
    chosen = {f"chosen_{name}": value for name, value in query.chosen.items()}
    return {
        "run": query.run.id,
        "as_of": query.run.as_of,
        "known_at": query.run.known_at,
        "earlier": query.earlier_run,
        "probability": probability,
        "key": key,
        "searched": query.searched,
        "least": query.least_change,
        "most": query.most_change,
        "limit": query.limit,
        **chosen,
    }


def _compose_list(query: ListQuery) -> sql.Composed:
    """Compose the statement of a list.

    Users are read in their order from an index, and looked up one by one in the segment tables,
    so the statement ends as soon as the list is full. It reads at most `searched` users.
    """
    columns = []
    joins = []
    conditions: list[sql.Composable] = [sql.SQL("true")]
    for number, (table, table_columns) in enumerate(query.segments.items()):
        alias = sql.Identifier(f"t{number}")
        joins.append(_compose_lookup(query, table, table_columns, alias))
        for name in [column.name for column in table_columns]:
            segment = sql.SQL("{}.{}").format(alias, sql.Identifier(name_segment(name)))
            columns.append(segment)
            if name in query.chosen:
                value = sql.Placeholder(f"chosen_{name}")
                conditions.append(sql.SQL("{} IS NOT DISTINCT FROM {}").format(segment, value))
    if query.least_change is not None:
        conditions.append(sql.SQL("s.probability - b.probability >= %(least)s"))
    if query.most_change is not None:
        conditions.append(sql.SQL("s.probability - b.probability <= %(most)s"))
    return LIST.format(
        columns=sql.SQL("").join(sql.SQL(", {}").format(column) for column in columns),
        joins=sql.SQL(" ").join(joins),
        conditions=sql.SQL(" AND ").join(conditions),
    )


LIST = sql.SQL(
    "SELECT s.key, s.probability, s.prediction, s.reasons, s.defaulted, s.features_as_of,"
    " b.probability AS earlier{columns}"
    " FROM (SELECT key, probability, prediction, reasons, defaulted, features_as_of"
    "       FROM streamflow.score"
    "       WHERE score_run = %(run)s AND (probability, key) < (%(probability)s, %(key)s)"
    "       ORDER BY probability DESC, key DESC LIMIT %(searched)s) AS s"
    " LEFT JOIN LATERAL (SELECT probability FROM streamflow.score"
    "       WHERE score_run = %(earlier)s AND key = s.key LIMIT 1) AS b ON true"
    " {joins} WHERE {conditions} ORDER BY s.probability DESC, s.key DESC LIMIT %(limit)s"
)
LOOKUP = sql.SQL(
    "LEFT JOIN LATERAL (SELECT {columns} FROM {table} f WHERE f.as_of = %(as_of)s"
    " AND f.revision = (SELECT max(revision) FROM streamflow.revision WHERE table_name = {name}"
    "   AND as_of = %(as_of)s AND known_at <= %(known_at)s)"
    " AND f.{key} = s.key{cast} LIMIT 1) AS {alias} ON true"
)


def _compose_lookup(
    query: ListQuery,
    table: str,
    columns: Sequence[SegmentColumn],
    alias: sql.Identifier,
) -> sql.Composed:
    """Compose the look-up of one user's segment columns in a frozen table."""
    return LOOKUP.format(
        columns=sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(
                compose_category(column), sql.Identifier(name_segment(column.name))
            )
            for column in columns
        ),
        table=sql.Identifier("frozen", table),
        name=sql.Literal(table),
        key=sql.Identifier(query.key),
        cast=sql.SQL("::bigint" if query.key_type == "int" else ""),
        alias=alias,
    )


def read_last_searched(
    connection: psycopg.Connection,
    query: ListQuery,
) -> tuple[float, str] | None:
    """Read the position of the last user that a list has searched; None: no user is left."""
    probability, key = query.position
    values = {
        "run": query.run.id,
        "probability": probability,
        "key": key,
        "searched": query.searched,
    }
    return connection.execute(QUERIES["select_last_searched"], values).fetchone()


def read_scores_of_key(
    connection: psycopg.Connection,
    key: str,
    runs: Sequence[int],
) -> list[dict[str, Any]]:
    """Read the answers of some scoring runs about one user, the newest drop first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        values = {"key": key, "runs": list(runs)}
        return cursor.execute(QUERIES["select_scores_of_key"], values).fetchall()


def read_answers_about(
    connection: psycopg.Connection,
    key: str,
    *,
    limit: int,
) -> list[dict[str, Any]]:
    """Read the newest answers of the API and of `predict` about one user."""
    with connection.cursor(row_factory=dict_row) as cursor:
        values = {"key": key, "limit": limit}
        return cursor.execute(QUERIES["select_answers_about_key"], values).fetchall()


def read_newest_drop(connection: psycopg.Connection, table: str) -> datetime | None:
    """Read the `as_of` of the newest frozen drop of a table."""
    row = connection.execute(QUERIES["select_newest_drop"], [table]).fetchone()
    assert row is not None
    newest: datetime | None = row[0]
    return newest


def read_values_of_key(
    connection: psycopg.Connection,
    key: str | int,
    *,
    key_name: str,
    tables: Sequence[str],
) -> list[tuple[str, datetime, dict[str, Any]]]:
    """Read the values of one user in the newest revision of each drop, the oldest drop first.

    Returns:
        frozen table, as_of, and column -> value of its row
    """
    selects = [
        VALUES_OF_TABLE.format(
            name=sql.Literal(table),
            table=sql.Identifier("frozen", table),
            key=sql.Identifier(key_name),
        )
        for table in tables
    ]
    statement = sql.SQL(" UNION ALL ").join(selects) + sql.SQL(" ORDER BY 2, 1")
    return connection.execute(statement, {"key": key}).fetchall()


VALUES_OF_TABLE = sql.SQL(
    "SELECT {name}, f.as_of, to_jsonb(f)"
    " FROM (SELECT as_of, max(revision) AS revision FROM streamflow.revision"
    "       WHERE table_name = {name} GROUP BY as_of) AS newest"
    " CROSS JOIN LATERAL (SELECT * FROM {table} t WHERE t.as_of = newest.as_of"
    "       AND t.revision = newest.revision AND t.{key} = %(key)s LIMIT 1) AS f"
)
