# ruff: noqa: ARG002
# The signatures are Feast's.
"""Feast's online store over PostgreSQL.

Each feature view has one typed table, and the join keys of its entities are its key.

Feast creates the store from `feature_store.yaml`. The store connects only by libpq's PG*
environment variables, once per thread.
"""

from __future__ import annotations

import asyncio
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

from streamflow.database import Address, connect
from streamflow.database.locks import FORGETTING, transaction_lock_sql
from streamflow.errors import FeastUnsupported
from streamflow.features.feast_keys import KeyColumn, find_keys, read_keys
from streamflow.features.feast_values import (
    OnlineRead,
    assume_utc,
    create_answer,
    find_features,
    to_column_value,
)
from streamflow.features.live_rows import IS_NOT_OLDER, compose_newest_rows, compose_read, upsert
from streamflow.features.live_tables import (
    TIME_COLUMNS,
    drop_live_table,
    ensure_live_table,
    lock_live_tables,
    name_in_project,
)

#: A row to write: key, feature -> value, as_of, known_at.
OnlineWrite = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


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
                keys, features = find_live_columns(view)
                ensure_live_table(connection, _table_name(config, view), keys, features)
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
        keys = find_keys(table)
        features = find_features(table)
        key_names = [key.name for key in keys]
        column_types = {key.name: key.sql_type for key in keys}
        column_types |= TIME_COLUMNS | {name: sql_type for name, (sql_type, _) in features.items()}
        # One array per column, in the order of the columns.
        columns = _collect_keys(keys, data)
        columns.append([assume_utc(as_of) for _, _, as_of, _ in data])
        columns.append([assume_utc(known_at) if known_at else None for *_, known_at in data])
        columns += [_collect_values(data, name, field) for name, (_, field) in features.items()]
        statement = upsert(
            _table_name(config, table),
            key_names,
            column_types,
            compose_newest_rows(key_names, column_types),
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
        keys = find_keys(table)
        all_fields = {name: field for name, (_, field) in find_features(table).items()}
        features = list(all_fields) if requested_features is None else requested_features
        fields = {name: all_fields[name] for name in features}
        if not entity_keys:
            return []
        requested_keys = [read_keys(keys, entity) for entity in entity_keys]
        statement = compose_read(
            _table_name(config, table), {key.name: key.sql_type for key in keys}, features
        )
        rows = self._read(statement, [list(values) for values in zip(*requested_keys, strict=True)])
        rows_by_key = {row[: len(keys)]: create_answer(row[len(keys) :], fields) for row in rows}
        return [rows_by_key.get(key, (None, None)) for key in requested_keys]

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[OnlineRead]:
        """Do the same as `online_read` in a thread, whose connection stays open."""
        return await asyncio.to_thread(
            self.online_read,
            config,
            table,
            entity_keys,
            requested_features,
        )

    def retrieve_online_documents(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Refuse a search by vectors."""
        raise FeastUnsupported(
            "retrieve_online_documents: this store does not search by vectors or text",
            remedy="Use a vector database of its own for documents.",
        )

    def retrieve_online_documents_v2(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Refuse a search by vectors or text."""
        return self.retrieve_online_documents()

    def _read(self, statement: sql.Composed, keys: list[list[Any]]) -> list[tuple[Any, ...]]:
        """Run a prepared read on this thread's connection, with one list for each key column.

        If the server has closed the connection, the read runs once more on a new one.
        """
        connection = self._connect()
        try:
            return connection.execute(statement, keys, prepare=True, binary=True).fetchall()
        except psycopg.OperationalError:
            if not connection.closed:
                raise
            connection = self._connect()
            return connection.execute(statement, keys, prepare=True, binary=True).fetchall()

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


def _table_name(config: RepoConfig, view: FeatureView) -> str:
    """Return the name of the live table of a view in the project of this configuration."""
    is_owner = config.project == config.online_store.owner
    return str(view.name) if is_owner else name_in_project(config.project, view.name)


def find_live_columns(view: FeatureView) -> tuple[dict[str, str], dict[str, str]]:
    """Return name -> SQL type of the keys, and of the features, in the live table of a view.

    Raises:
        FeastUnsupported: no live table can have a key or a feature of the view.
    """
    keys = {key.name: key.sql_type for key in find_keys(view)}
    features = {name: types[0] for name, types in find_features(view).items()}
    _check_names(view, [*keys, *features])
    return keys, features


def _check_names(view: FeatureView, names: list[str]) -> None:
    """Refuse a view with a column that every live table has for itself."""
    reserved = sorted(TIME_COLUMNS.keys() & set(names))
    if reserved:
        raise FeastUnsupported(
            f"feature view '{view.name}': a live table has a column '{reserved[0]}' of its own",
            remedy="Give the feature a different name.",
        )


def _collect_keys(keys: list[KeyColumn], rows: list[OnlineWrite]) -> list[list[Any]]:
    """Return one list per key column, with its value in each row.

    Raises:
        ValueError: a row has no value for a part of its key, or one of a different type.
    """
    columns = [[key.read(entity) for entity, *_ in rows] for key in keys]
    for key, values in zip(keys, columns, strict=True):
        if None in values:
            raise ValueError(
                f"feature view '{key.view}', key '{key.name}': expected {key.value_type}, "
                f"row {values.index(None) + 1} has no value"
            )
    return columns


def _collect_values(rows: list[OnlineWrite], feature: str, value_field: str) -> list[Any]:
    """Return what the column of a feature holds in each row. A missing value is None."""
    return [to_column_value(values.get(feature), value_field) for _, values, *_ in rows]
