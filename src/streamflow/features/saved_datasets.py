"""Saved datasets of Feast: frames in tables of PostgreSQL outside our own schemas."""

from __future__ import annotations

from typing import Any, LiteralString

import pyarrow as pa
from feast.errors import SavedDatasetLocationAlreadyExists
from psycopg import sql

from streamflow.database import Address, adbc
from streamflow.database.sql_files import load_queries
from streamflow.errors import FeastUnsupported, PermissionMissing

QUERIES = load_queries(__file__, "saved_datasets.sql")
#: Only our own commands make tables in these schemas.
OUR_SCHEMAS = frozenset({"feast", "frozen", "history", "lake", "online", "raw", "streamflow"})
ORDINARY_TABLE = "r"  # kind of a relation in pg_class


def check_target(address: Address, name: str, *, overwrite: bool) -> None:
    """Check that a dataset may be saved under a name, before its rows are read.

    Args:
        address: the database.
        name: the table as it stands in a query, such as `datasets.january`.
        overwrite: whether the table may exist.

    Raises:
        FeastUnsupported: the table would lie in a schema of ours, or is no ordinary table.
        PermissionMissing: the role may not create tables in this schema.
        SavedDatasetLocationAlreadyExists: there is such a table, and `overwrite` is not set.
    """
    with adbc.open_cursor(address) as cursor:
        _find_target(cursor, name, overwrite=overwrite)


def write_dataset(address: Address, name: str, rows: pa.Table, *, overwrite: bool) -> None:
    """Write a frame (n, ·) into a new table, in one transaction.

    An existing table is dropped before, if `overwrite` is set.

    Raises:
        FeastUnsupported: a column has a type that PostgreSQL does not have; or as `check_target`.
        PermissionMissing, SavedDatasetLocationAlreadyExists: as `check_target`.
    """
    columns = _use_storable_types(rows)
    with adbc.connection(address) as connection, connection.cursor() as cursor:
        schema, table = _find_target(cursor, name, overwrite=overwrite)
        statement = sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(schema, table))
        cursor.execute(statement.as_string())
        cursor.adbc_ingest(table, columns, mode="create", db_schema_name=schema)
        connection.commit()


def _find_target(cursor: Any, name: str, *, overwrite: bool) -> tuple[str, str]:
    """Return the schema and the table of a name that may be written."""
    row = _read_row(cursor, QUERIES["split_name"], [name])
    schema, table = [row["schema"], *row["parts"]][-2:]
    if schema in OUR_SCHEMAS:
        raise FeastUnsupported(
            f"persist: the schema '{schema}' of {name} belongs to streamflow",
            remedy="Name a table in a different schema, such as 'datasets.january'.",
        )
    target = _read_row(cursor, QUERIES["describe_target"], [schema, table])
    if not target["may_create"]:
        raise _make_permission_error(schema, schema_exists=target["may_create"] is not None)
    if target["kind"] is not None and not overwrite:
        raise SavedDatasetLocationAlreadyExists(f"{schema}.{table}")
    if target["kind"] not in (None, ORDINARY_TABLE):
        raise FeastUnsupported(f"persist: {name} exists and is not an ordinary table")
    return schema, table


def _make_permission_error(schema: str, *, schema_exists: bool) -> PermissionMissing:
    """Return the error that shows the SQL with which a table can be created in a schema."""
    template: LiteralString = "CREATE SCHEMA {} AUTHORIZATION streamflow_writer"
    reason = "does not exist"
    if schema_exists:
        template = "GRANT CREATE ON SCHEMA {} TO streamflow_writer"
        reason = "is not one in which this role may create tables"
    statement = sql.SQL(template).format(sql.Identifier(schema)).as_string()
    return PermissionMissing(
        f"persist: the schema '{schema}' {reason}:\n{statement}",
        remedy="Ask an administrator to run the SQL above, or name a different schema.",
        sql=statement,
    )


def _read_row(cursor: Any, query: sql.SQL, parameters: list[object]) -> dict[str, Any]:
    """Return the only row of a query, column -> value."""
    cursor.execute(query.as_string(), parameters)
    row: dict[str, Any] = cursor.fetch_arrow_table().to_pylist()[0]
    return row


def _use_storable_types(rows: pa.Table) -> pa.Table:
    """Return a frame whose columns have types of PostgreSQL.

    Categories become their values, and a column without any value becomes text.
    """
    fields = []
    for field in rows.schema:
        if pa.types.is_struct(field.type) or pa.types.is_map(field.type):
            raise FeastUnsupported(
                f"persist: column '{field.name}' has the type {field.type}",
                remedy="Leave this feature out, or use to_arrow() and write the file yourself.",
            )
        fields.append(field.with_type(_storable_type(field.type)))
    return rows.cast(pa.schema(fields))


def _storable_type(column_type: pa.DataType) -> pa.DataType:
    """Return the type in which a column is stored."""
    if pa.types.is_null(column_type):
        return pa.string()
    return column_type.value_type if pa.types.is_dictionary(column_type) else column_type
