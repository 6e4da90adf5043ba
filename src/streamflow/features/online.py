# ruff: noqa: ARG002
# The signatures are Feast's.
"""Feast's online store over PostgreSQL.

Each feature view has one typed table, and the entity is its key.

Feast creates the store from `feature_store.yaml`. The store connects only by libpq's PG*
environment variables, once per thread.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import psycopg
from feast.entity import Entity
from feast.feature_view import FeatureView
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from psycopg import sql

from streamflow.core.data.counts import count_of
from streamflow.database import Address, connect
from streamflow.database.locks import FORGETTING, transaction_lock_sql
from streamflow.features.feast_values import (
    OnlineRead,
    assume_utc,
    create_answer,
    find_types,
    get_key_value,
    unwrap,
)
from streamflow.features.live_tables import (
    drop_live_table,
    ensure_live_table,
    live_table,
    lock_live_tables,
    name_in_project,
    upsert,
)

#: A row to write: key, feature -> value, as_of, known_at.
OnlineWrite = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
#: The condition under which a new row replaces the stored one.
IS_NOT_OLDER = sql.SQL(
    "(excluded.as_of, coalesce(excluded.known_at, '-infinity'))"
    " >= (live.as_of, coalesce(live.known_at, '-infinity'))"
)


# mypy cannot check the base classes below, because Feast is untyped to us.
class StreamflowOnlineStoreConfig(FeastConfigBaseModel):  # type: ignore[misc]
    """The part `online_store:` of feature_store.yaml.

    owner   the Feast project of the installation, whose tables have the names of its views; those
            of a different project begin with the name of that project
    """

    type: Literal["streamflow.features.online.StreamflowOnlineStore"] = (
        "streamflow.features.online.StreamflowOnlineStore"
    )
    owner: str = ""


class StreamflowOnlineStore(OnlineStore):  # type: ignore[misc]
    """Reads and writes the live tables for Feast."""

    def __init__(self) -> None:
        self._local = threading.local()

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Create or extend the tables of the views to keep, and drop the tables to delete."""
        with connect(Address()) as connection, connection.transaction():
            lock_live_tables(connection)
            for view in tables_to_keep:
                key, key_type, _ = _find_key(view)
                feature_types = {name: types[0] for name, types in _find_features(view).items()}
                table = _table_name(config, view)
                ensure_live_table(connection, table, (key, key_type), feature_types)
            for view in tables_to_delete:
                drop_live_table(connection, _table_name(config, view))

    def teardown(
        self,
        config: RepoConfig,
        tables: Sequence[FeatureView],
        entities: Sequence[Entity],
    ) -> None:
        """Drop the live tables of these views."""
        self.update(config, tables, [], entities, [], partial=False)

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[OnlineWrite],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Store the newest row of each key. A stored row that is newer stays.

        The newer row is the one with the later as_of or, for equal as_of, the later known_at. A row
        of a key that was forgotten at its as_of or later is left out.
        """
        key, key_type, _ = _find_key(table)
        features = _find_features(table)
        column_types = {key: key_type, "as_of": "timestamptz", "known_at": "timestamptz"}
        column_types |= {name: sql_type for name, (sql_type, _) in features.items()}
        # One array per column, in the order of the columns.
        columns: list[list[Any]] = [
            [unwrap(get_key_value(entity)) for entity, *_ in data],
            [assume_utc(as_of) for _, _, as_of, _ in data],
            [assume_utc(known_at) if known_at else None for *_, known_at in data],
        ]
        columns += [_collect_values(data, name) for name in features]
        statement = upsert(
            _table_name(config, table),
            key,
            column_types,
            _compose_newest_rows(key, column_types),
            replace_when=IS_NOT_OLDER,
        )
        with connect(Address()) as connection, connection.transaction():
            connection.execute(transaction_lock_sql(FORGETTING, shared=True))
            connection.execute(statement, columns)
        if progress:
            progress(len(data))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[OnlineRead]:
        """Return the live row of each key, in the order of the keys.

        A key without a row gives (None, None). A null gives an empty Value.
        """
        key, key_type, key_field = _find_key(table)
        all_fields = {name: field for name, (_, field) in _find_features(table).items()}
        features = list(all_fields) if requested_features is None else requested_features
        fields = {name: all_fields[name] for name in features}
        keys = [getattr(get_key_value(entity), key_field) for entity in entity_keys]
        statement = sql.SQL("SELECT {} FROM {} WHERE {} = ANY({}::{}[])").format(
            sql.SQL(", ").join(map(sql.Identifier, [key, "as_of", *features])),
            live_table(_table_name(config, table)),
            sql.Identifier(key),
            sql.Placeholder(),
            sql.SQL(key_type),
        )
        rows = self._read(statement, keys)
        rows_by_key = {row[0]: create_answer(row, fields) for row in rows}
        return [rows_by_key.get(value, (None, None)) for value in keys]

    def _read(self, statement: sql.Composed, keys: list[Any]) -> list[tuple[Any, ...]]:
        """Run a prepared read on this thread's connection.

        If the server has closed the connection, the read runs once more on a new one.
        """
        connection = self._connect()
        try:
            return connection.execute(statement, [keys], prepare=True, binary=True).fetchall()
        except psycopg.OperationalError:
            if not connection.closed:
                raise
            connection = self._connect()
            return connection.execute(statement, [keys], prepare=True, binary=True).fetchall()

    def _connect(self) -> psycopg.Connection:
        """Return the connection of this thread and process, and open it when there is none."""
        owned: _OwnedConnection | None = getattr(self._local, "owned", None)
        if owned is None or owned.process != os.getpid() or owned.connection.closed:
            owned = _OwnedConnection(connect(Address(), autocommit=True))
            self._local.owned = owned
        return owned.connection


class _OwnedConnection:
    """A connection that closes when its thread ends or its store is deleted.

    Feast does not tell a store when it is no longer needed.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self.process = os.getpid()
        self.connection = connection
        weakref.finalize(self, _close, connection, self.process).atexit = False


def _close(connection: psycopg.Connection, process: int) -> None:
    """Close a connection. After a fork it belongs to the parent process."""
    if process == os.getpid():
        connection.close()


def _compose_newest_rows(key: str, column_types: dict[str, str]) -> sql.Composed:
    """Compose a SELECT of the newest row of each key from one array per column.

    A batch may hold several rows of a key.
    """
    return sql.SQL(
        "SELECT DISTINCT ON ({key}) {columns} FROM unnest({arrays}) AS batch ({columns})"
        " WHERE NOT streamflow.is_forgotten({key}::text, as_of)"
        " ORDER BY {key}, as_of DESC, known_at DESC NULLS LAST"
    ).format(
        key=sql.Identifier(key),
        columns=sql.SQL(", ").join(map(sql.Identifier, column_types)),
        arrays=sql.SQL(", ").join(
            sql.SQL(f"%s::{sql_type}[]") for sql_type in column_types.values()
        ),
    )


def _table_name(config: RepoConfig, view: FeatureView) -> str:
    """Return the name of the live table of a view in the project of this configuration."""
    is_owner = config.project == config.online_store.owner
    return str(view.name) if is_owner else name_in_project(config.project, view.name)


def _find_key(view: FeatureView) -> tuple[str, str, str]:
    """Return name, SQL type and Value field of the only key of a view."""
    if len(view.entity_columns) != 1:
        raise ValueError(
            f"feature view '{view.name}' has {count_of(len(view.entity_columns), 'join key')}, "
            "but this store needs exactly one"
        )
    column = view.entity_columns[0]
    return (column.name, *find_types(view, column))


def _find_features(view: FeatureView) -> dict[str, tuple[str, str]]:
    """Return feature -> (SQL type, Value field) of a view."""
    return {feature.name: find_types(view, feature) for feature in view.features}


def _collect_values(rows: list[OnlineWrite], feature: str) -> list[Any]:
    """Return the value of a feature in each row. A missing value is None."""
    return [unwrap(values.get(feature)) for _, values, *_ in rows]
