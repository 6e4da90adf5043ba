"""What is known of a whole scoring run, so that no page has to count its rows.

The summaries hold counts and sums. They hold no key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from streamflow.core.serving.segments import SegmentColumn
from streamflow.database.sql_files import load_queries
from streamflow.warehouse.segment_values import compose_category, name_segment

QUERIES = load_queries(__file__, "score_summaries.sql")

# Probabilities are added up as whole numbers of this unit: a sum of floats depends on the order of
# the rows, and so on PostgreSQL's plan.
UNITS = 2**53

# The rows are grouped by all columns at once, which reads them once. What is left are some
# thousand groups, which are then added up for each column.
INSERT_SEGMENTS = sql.SQL(
    "INSERT INTO streamflow.score_segment"
    " (score_run, name, value, users, answered, expected, flagged)"
    " WITH joint AS MATERIALIZED ("
    "   SELECT {columns}, count(*) AS users, count(s.probability) AS answered,"
    "          coalesce(sum((s.probability * {units})::bigint), 0) AS expected,"
    "          count(*) FILTER (WHERE s.prediction = 1) AS flagged"
    "   FROM streamflow.score s"
    "   LEFT JOIN {table} f ON f.{key}::text = s.key"
    "     AND f.as_of = %(as_of)s AND f.revision = %(revision)s"
    "   WHERE s.score_run = %(run)s GROUP BY {numbers})"
    " SELECT %(run)s, category.name, category.value, sum(joint.users), sum(joint.answered),"
    "        sum(joint.expected)::double precision / {units}, sum(joint.flagged)"
    " FROM joint CROSS JOIN LATERAL (VALUES {categories}) AS category (name, value)"
    " GROUP BY category.name, category.value"
)
INSERT_OUTCOME = sql.SQL(
    "INSERT INTO streamflow.score_outcome"
    " (score_run, label_as_of, label_revision, bin, users, expected, churned)"
    " SELECT %(run)s, %(as_of)s, %(revision)s, least(floor(s.probability * 10), 9)::smallint,"
    "        count(*), sum((s.probability * {units})::bigint)::double precision / {units},"
    "        count(*) FILTER (WHERE l.{label})"
    " FROM streamflow.score s JOIN {table} l ON l.{key}::text = s.key"
    "   AND l.as_of = %(as_of)s AND l.revision = %(revision)s"
    " WHERE s.score_run = %(run)s AND s.probability IS NOT NULL AND l.{label} IS NOT NULL"
    " GROUP BY 4 ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, kw_only=True)
class FrozenSource:
    """The revision of a frozen table that is joined to the rows of a scoring run."""

    table: str
    key: str
    as_of: datetime
    revision: int


@dataclass(frozen=True, kw_only=True)
class SegmentRow:
    """One category of a segment column in a scoring run.

    value     the category; None: the users without a value
    answered  the users that have a probability
    expected  the sum of their probabilities
    """

    name: str
    value: str | None
    users: int
    answered: int
    expected: float
    flagged: int


def expect_whole_drops(connection: psycopg.Connection) -> None:
    """Until the end of the transaction, let PostgreSQL plan for joins of whole drops."""
    connection.execute(QUERIES["expect_whole_drops"])


def has_summary(connection: psycopg.Connection, run: int) -> bool:
    """Return whether a scoring run has its summary."""
    return connection.execute(QUERIES["select_has_summary"], [run]).fetchone() is not None


def add_summary(
    connection: psycopg.Connection,
    run: int,
    *,
    trained_as_of: datetime,
    label_lead: int,
) -> None:
    """Add up the rows of a scoring run.

    Args:
        trained_as_of: the drop that the version was trained on
        label_lead: how many drops later the labels are
    """
    values = {
        "run": run,
        "trained_as_of": trained_as_of,
        "label_lead": label_lead,
        "units": UNITS,
    }
    connection.execute(QUERIES["insert_summary"], values)


def add_segments(
    connection: psycopg.Connection,
    run: int,
    source: FrozenSource,
    columns: Sequence[SegmentColumn],
) -> None:
    """Add up the rows of a scoring run for each category of some columns of a table."""
    names = [column.name for column in columns]
    selected = [
        sql.SQL("{} AS {}").format(
            compose_category(column), sql.Identifier(name_segment(column.name))
        )
        for column in columns
    ]
    categories = [
        sql.SQL("({}, joint.{})").format(sql.Literal(name), sql.Identifier(name_segment(name)))
        for name in names
    ]
    numbers = [sql.SQL(str(number)) for number in range(1, len(columns) + 1)]
    statement = INSERT_SEGMENTS.format(
        table=sql.Identifier("frozen", source.table),
        key=sql.Identifier(source.key),
        columns=sql.SQL(", ").join(selected),
        numbers=sql.SQL(", ").join(numbers),
        units=sql.Literal(UNITS),
        categories=sql.SQL(", ").join(categories),
    )
    values = {"run": run, "as_of": source.as_of, "revision": source.revision}
    connection.execute(statement, values)


def add_outcome(
    connection: psycopg.Connection,
    run: int,
    source: FrozenSource,
    label: str,
) -> None:
    """Count who left in each tenth of probability; the same revision is counted once only."""
    revision_key = [run, source.as_of, source.revision]
    row = connection.execute(QUERIES["select_has_outcome"], revision_key).fetchone()
    if row is not None:
        return
    statement = INSERT_OUTCOME.format(
        table=sql.Identifier("frozen", source.table),
        key=sql.Identifier(source.key),
        label=sql.Identifier(label),
        units=sql.Literal(UNITS),
    )
    values = {"run": run, "as_of": source.as_of, "revision": source.revision}
    connection.execute(statement, values)


def list_segment_names(connection: psycopg.Connection, run: int) -> set[str]:
    """List the columns by which the rows of a scoring run are added up."""
    return {name for (name,) in connection.execute(QUERIES["select_segment_names"], [run])}


def read_segments(connection: psycopg.Connection, run: int) -> list[SegmentRow]:
    """Read the categories of a scoring run, those with the most expected churn first."""
    with connection.cursor(row_factory=class_row(SegmentRow)) as cursor:
        return cursor.execute(QUERIES["select_segments"], [run]).fetchall()


def read_segment_shares(
    connection: psycopg.Connection,
    runs: Sequence[int],
) -> dict[tuple[int, str, str | None], float | None]:
    """Read the expected share of each category in some scoring runs.

    Returns:
        (run, column, category) -> share; None where no user of the category has a probability.
    """
    rows = connection.execute(QUERIES["select_segment_shares"], [list(runs)])
    return {(run, name, value): share for run, name, value, share in rows}


def delete_summaries(connection: psycopg.Connection, runs: Sequence[int]) -> None:
    """Delete what is known of some scoring runs; only the maintenance role may do this."""
    deletions = (
        QUERIES["delete_summaries"],
        QUERIES["delete_segments"],
        QUERIES["delete_outcomes"],
    )
    for deletion in deletions:
        connection.execute(deletion, [list(runs)])
