"""What Feast's registry and the live tables really hold, asked by SQL and without importing Feast.

A stock `feast teardown` or `feast apply` can remove or change both behind our back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from streamflow.catalog import Catalog
from streamflow.column_types import COLUMN_TYPES
from streamflow.database.sql_files import load_queries
from streamflow.features.feature_service import ServiceFeature, ViewSpec, all_services, views_of
from streamflow.features.live_tables import (
    TIME_COLUMNS,
    drop_live_table,
    live_columns,
    lock_live_tables,
)

QUERIES = load_queries(__file__, "registry_content.sql")
Services = Mapping[str, Sequence[ServiceFeature]]
# Table of Feast's registry -> what people call its objects, and the column with their names.
NAMED_OBJECTS = {
    "data_sources": ("source", "data_source_name"),
    "entities": ("entity", "entity_name"),
    "feature_services": ("feature service", "feature_service_name"),
    "feature_views": ("feature view", "feature_view_name"),
    "label_views": ("label view", "feature_view_name"),
    "on_demand_feature_views": ("on-demand view", "feature_view_name"),
    "permissions": ("permission", "permission_name"),
    "saved_datasets": ("saved dataset", "saved_dataset_name"),
    "stream_feature_views": ("stream feature view", "feature_view_name"),
    "validation_references": ("validation reference", "validation_reference_name"),
}


def find_missing(connection: psycopg.Connection, catalog: Catalog, services: Services) -> list[str]:
    """Name each view, service and live table that is needed and not there."""
    views = views_of(catalog, services)
    needed = [f"view {view.name}" for view in views]
    needed += [f"service {name}" for name in all_services(catalog, services)]
    registered = _registered_names(connection, catalog.model)
    missing = [name for name in needed if name not in registered]
    missing += [
        f"live table {view.name}" for view in views if not live_columns(connection, view.name)
    ]
    return missing


def _registered_names(connection: psycopg.Connection, project: str) -> set[str]:
    """Return the views and services of a project in Feast's registry, as `find_missing` names."""
    if not _has_registry(connection):
        return set()
    rows = connection.execute(QUERIES["registered_names"], {"project": project}).fetchall()
    return {name for (name,) in rows}


def delete_orphaned_versions(connection: psycopg.Connection, project: str) -> None:
    """Delete the versions of views of a project that are no longer registered."""
    if _has_registry(connection):
        connection.execute(QUERIES["delete_orphaned_versions"], [project])


def _has_registry(connection: psycopg.Connection) -> bool:
    """Return whether Feast has made the tables of its registry."""
    row = connection.execute(QUERIES["has_registry"]).fetchone()
    return bool(row and row[0])


def delete_project(connection: psycopg.Connection, project: str) -> None:
    """Delete what Feast's registry has of a project. An apply writes all of it again."""
    for table in _registry_tables(connection):
        statement = sql.SQL("DELETE FROM {} WHERE project_id = %s")
        connection.execute(statement.format(sql.Identifier("feast", table)), [project])


@contextmanager
def keep_on_error(connection: psycopg.Connection, project: str) -> Iterator[None]:
    """Give Feast's registry its present rows of a project back if the `with` block fails.

    Feast commits each object by itself, so a failed apply would leave a part of them.
    """
    rows_by_table = {
        table: _copy_rows(connection, table, project) for table in _registry_tables(connection)
    }
    connection.commit()
    try:
        yield
    except BaseException:
        connection.rollback()
        with connection.transaction():
            delete_project(connection, project)
            for table, rows in rows_by_table.items():
                statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary)")
                identifier = sql.Identifier("feast", table)
                with connection.cursor().copy(statement.format(identifier)) as copy:
                    copy.write(rows)
        raise


def _copy_rows(connection: psycopg.Connection, table: str, project: str) -> bytes:
    """Return the rows of a project in a table of the registry, in PostgreSQL's binary form."""
    statement = sql.SQL("COPY (SELECT * FROM {} WHERE project_id = {}) TO STDOUT (FORMAT binary)")
    query = statement.format(sql.Identifier("feast", table), sql.Literal(project))
    with connection.cursor().copy(query) as copy:
        return b"".join(copy)


def _registry_tables(connection: psycopg.Connection) -> list[str]:
    """Return the tables of Feast's registry whose rows belong to a project."""
    return [table for (table,) in connection.execute(QUERIES["registry_tables"]).fetchall()]


def list_views(connection: psycopg.Connection, project: str) -> set[str]:
    """Return the views of a project in Feast's registry that have a live table."""
    if not _has_registry(connection):
        return set()
    return {name for (name,) in connection.execute(QUERIES["views_with_table"], [project, project])}


def list_objects(connection: psycopg.Connection, project: str) -> set[str]:
    """Return kind and name of each object that Feast's registry has of a project."""
    titles = set()
    for table in NAMED_OBJECTS.keys() & set(_registry_tables(connection)):
        kind, column = NAMED_OBJECTS[table]
        query = sql.SQL("SELECT {} FROM {} WHERE project_id = %s").format(
            sql.Identifier(column), sql.Identifier("feast", table)
        )
        titles |= {f"{kind} {name}" for (name,) in connection.execute(query, [project])}
    return titles


def drop_live_tables(connection: psycopg.Connection, views: Iterable[str]) -> None:
    """Drop the live tables of views that are no longer registered."""
    lock_live_tables(connection)
    for view in views:
        drop_live_table(connection, view)


def find_unfit_tables(
    connection: psycopg.Connection,
    catalog: Catalog,
    services: Services,
) -> list[str]:
    """Name each view whose live table is missing, or could not be filled by a materialization."""
    views = views_of(catalog, services)
    return [view.name for view in views if not _is_fit(connection, view, catalog)]


def drop_unfit_tables(connection: psycopg.Connection, catalog: Catalog, services: Services) -> None:
    """Drop each live table that a materialization of its view could not fill."""
    drop_live_tables(connection, find_unfit_tables(connection, catalog, services))


def _is_fit(connection: psycopg.Connection, view: ViewSpec, catalog: Catalog) -> bool:
    """Return whether a live table has the columns of its view, and none that was never frozen."""
    live = live_columns(connection, view.name)
    required = {catalog.entity.key: COLUMN_TYPES[catalog.entity.type].sql, **TIME_COLUMNS}
    if any(live.get(name) != sql_type for name, sql_type in required.items()):
        return False
    features = {feature.name: COLUMN_TYPES[feature.type].sql for feature in view.features}
    frozen = f"frozen.{sql.Identifier(view.table).as_string(connection)}"
    possible_types = {
        **dict(connection.execute(QUERIES["frozen_columns"], [frozen]).fetchall()),
        **features,
    }
    return all(
        possible_types.get(name) == sql_type
        for name, sql_type in live.items()
        if name not in required
    )
