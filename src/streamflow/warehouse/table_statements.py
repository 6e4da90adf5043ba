"""The SQL that creates the tables and views of the catalog, and grants rights on them."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from streamflow.catalog import Catalog
from streamflow.warehouse.roles import CONSOLE, READER, WRITER


def create_table(
    schema: str,
    table: str,
    types: dict[str, str],
    row_keys: Sequence[str],
) -> sql.Composed:
    """Return the SQL that creates a raw or frozen table.

    Args:
        schema: raw or frozen.
        table: the table.
        types: column -> SQL type.
        row_keys: the columns that name a row of a drop; they are never null.
    """
    columns = []
    for column, sql_type in types.items():
        constraint = sql.SQL(" NOT NULL" if column in row_keys else "")
        columns.append(
            sql.SQL("{} {}{}").format(sql.Identifier(column), sql.SQL(sql_type), constraint)
        )
    statement = CREATE_RAW_TABLE if schema == "raw" else CREATE_FROZEN_TABLE
    return statement.format(
        name=sql.Identifier(schema, table),
        columns=sql.SQL(", ").join(columns),
        keys=sql.SQL(", ").join(map(sql.Identifier, row_keys)),
        writer=sql.Identifier(WRITER),
    )


CREATE_RAW_TABLE = sql.SQL(
    "CREATE TABLE {name} (as_of timestamptz NOT NULL, {columns}, PRIMARY KEY (as_of, {keys}));"
    "GRANT SELECT, INSERT, DELETE ON {name} TO {writer}"
)
CREATE_FROZEN_TABLE = sql.SQL(
    "CREATE TABLE {name} (as_of timestamptz NOT NULL, revision integer NOT NULL, {columns},"
    " row_digest bytea NOT NULL, PRIMARY KEY (as_of, revision, {keys}));"
    "CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON {name}"
    " FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_change();"
    "CREATE TRIGGER complete AFTER INSERT ON {name} REFERENCING NEW TABLE AS new_rows"
    " FOR EACH STATEMENT EXECUTE FUNCTION streamflow.refuse_rows_of_complete_revision();"
    "GRANT SELECT, INSERT ON {name} TO {writer};"
    "GRANT SELECT ON {name} TO streamflow_console;"
    "GRANT SELECT, UPDATE, DELETE ON {name} TO streamflow_maintenance"
)


def add_column(schema: str, table: str, column: str, sql_type: str) -> sql.Composed:
    """Return the SQL that adds a column to a raw or frozen table."""
    return sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
        sql.Identifier(schema, table),
        sql.Identifier(column),
        sql.SQL(sql_type),
    )


def comment_on_expression(table: str, column: str, expression: str) -> sql.Composed:
    """Return the SQL that stores how a computed column is computed as its comment."""
    return sql.SQL("COMMENT ON COLUMN {} IS {}").format(
        sql.Identifier("frozen", table, column),
        sql.Literal(expression),
    )


def create_history_view(table: str, columns: Sequence[str]) -> sql.Composed:
    """Return the SQL of the view of the frozen rows of one table.

    It shows `known_at` and `superseded_at` of the revision of each row. A row was known at an
    instant K if `known_at <= K AND (superseded_at IS NULL OR superseded_at > K)`.
    """
    return sql.SQL(
        "DROP VIEW IF EXISTS {view}; CREATE VIEW {view} AS"
        " SELECT {columns}, f.as_of, f.revision, r.known_at, r.superseded_at FROM {frozen} f"
        " JOIN (SELECT as_of, revision, known_at,"
        "        lead(known_at) OVER (PARTITION BY as_of ORDER BY revision) AS superseded_at"
        "        FROM streamflow.revision WHERE table_name = {table}) r USING (as_of, revision);"
        "GRANT SELECT ON {view} TO {writer}, {console}"
    ).format(
        console=sql.Identifier(CONSOLE),
        view=sql.Identifier("history", table),
        frozen=sql.Identifier("frozen", table),
        table=sql.Literal(table),
        columns=sql.SQL(", ").join(sql.Identifier("f", column) for column in columns),
        writer=sql.Identifier(WRITER),
    )


def create_overview_view(catalog: Catalog, comment: str) -> sql.Composed:
    """Return the SQL of the view of the drops, with their users and labels.

    Args:
        catalog: names the tables of the users and of the label.
        comment: is stored with the view and says for which label it was made.
    """
    return sql.SQL(
        "CREATE OR REPLACE VIEW streamflow.drop_overview AS"
        " SELECT drop.as_of, drop.rows AS population,"
        " CASE WHEN lake.label = {label_name} THEN newest.rows ELSE labels.labelled END"
        " AS labelled, CASE WHEN lake.label = {label_name} THEN lake.positives"
        " ELSE labels.positives END AS positives"
        " FROM (SELECT DISTINCT ON (as_of) as_of, rows FROM streamflow.revision"
        "       WHERE table_name = {entity} ORDER BY as_of, revision DESC) AS drop"
        " LEFT JOIN (SELECT DISTINCT ON (as_of) as_of, revision, rows FROM streamflow.revision"
        "       WHERE table_name = {table} ORDER BY as_of, revision DESC) AS newest USING (as_of)"
        " LEFT JOIN streamflow.lake_revision AS lake ON lake.table_name = {table}"
        "       AND lake.as_of = drop.as_of AND lake.revision = newest.revision"
        " CROSS JOIN LATERAL (SELECT count(*) AS labelled,"
        "       count(*) FILTER (WHERE {label}) AS positives FROM {frozen} f"
        "       WHERE f.as_of = drop.as_of AND f.revision = newest.revision) AS labels;"
        "COMMENT ON VIEW streamflow.drop_overview IS {comment};"
        "GRANT SELECT ON streamflow.drop_overview TO {reader}, {writer}, {console}"
    ).format(
        console=sql.Identifier(CONSOLE),
        entity=sql.Literal(catalog.entity.table),
        table=sql.Literal(catalog.label.table),
        label=sql.Identifier("f", catalog.label.column),
        label_name=sql.Literal(catalog.label.column),
        frozen=sql.Identifier("frozen", catalog.label.table),
        comment=sql.Literal(comment),
        reader=sql.Identifier(READER),
        writer=sql.Identifier(WRITER),
    )
