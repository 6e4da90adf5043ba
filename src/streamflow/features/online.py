# the signatures are Feast's
"""Feast's online store over PostgreSQL: one typed table per feature view, keyed by the entity.

Feast builds it from `feature_store.yaml`; it connects by libpq's PG* environment alone, once per thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
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
from streamflow.features.live_tables import (
    drop_live_table,
    ensure_live_table,
    live_table,
    lock_live_tables,
    upsert,
)

# Feast's value type -> SQL type, field of Value
TYPES = {
    "BOOL": ("boolean", "bool_val"),
    "INT32": ("integer", "int32_val"),
    "INT64": ("bigint", "int64_val"),
    "FLOAT": ("real", "float_val"),
    "DOUBLE": ("double precision", "double_val"),
    "STRING": ("text", "string_val"),
    "BYTES": ("bytea", "bytes_val"),
    "UNIX_TIMESTAMP": ("bigint", "unix_timestamp_val"),
}
Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
Answer = tuple[datetime | None, dict[str, Value] | None]


class StreamflowOnlineStoreConfig(FeastConfigBaseModel):  # type: ignore[misc]  # feast is untyped to us
    """`online_store:` in feature_store.yaml. There is nothing to set."""

    type: Literal["streamflow.features.online.StreamflowOnlineStore"] = (
        "streamflow.features.online.StreamflowOnlineStore"
    )


class StreamflowOnlineStore(OnlineStore):  # type: ignore[misc]  # feast is untyped to us
    """The live tables, for Feast."""

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
        """Create and widen the tables of the views that stay, drop those of the views that go."""
        with connect(Address()) as connection, connection.transaction():
            lock_live_tables(connection)
            for view in tables_to_keep:
                name, kind, _ = _key(view)
                ensure_live_table(
                    connection,
                    view.name,
                    (name, kind),
                    {n: kind for n, (kind, _) in _features(view).items()},
                )
            for view in tables_to_delete:
                drop_live_table(connection, view.name)

    def teardown(
        self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]
    ) -> None:
        """Drop the tables of these views."""
        self.update(config, tables, [], entities, [], partial=False)

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Row],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Store the newest row of each key; a stored row that is newer (as_of, then known_at) stays."""
        key, key_type, _ = _key(table)
        features = _features(table)
        columns = {key: key_type, "as_of": "timestamptz", "known_at": "timestamptz"} | {
            n: t for n, (t, _) in features.items()
        }
        values = [
            [_plain(_key_value(entity)) for entity, *_ in data],
            [_aware(row[2]) for row in data],
        ]
        values += [[_aware(row[3]) if row[3] else None for row in data]]
        values += [[_plain(row[1].get(name)) for row in data] for name in features]
        statement = upsert(table.name, key, columns, _newest_of_arrays(key, columns), when=NEWER)
        with connect(Address()) as connection:
            connection.execute(statement, values)
        if progress:
            progress(len(data))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[Answer]:
        """The live row of each key, in their order; (None, None) where there is none, an empty Value for a null."""
        key, key_type, field = _key(table)
        fields = {name: field for name, (_, field) in _features(table).items()}
        wanted = list(fields) if requested_features is None else requested_features
        keys = [getattr(_key_value(entity), field) for entity in entity_keys]
        statement = sql.SQL("SELECT {} FROM {} WHERE {} = ANY({}::{}[])").format(
            sql.SQL(", ").join(map(sql.Identifier, [key, "as_of", *wanted])),
            live_table(table.name),
            sql.Identifier(key),
            sql.Placeholder(),
            sql.SQL(key_type),
        )
        found = {
            row[0]: _answer(row, {name: fields[name] for name in wanted})
            for row in self._read(statement, keys)
        }
        return [found.get(value, (None, None)) for value in keys]

    def _read(self, statement: sql.Composed, keys: list[Any]) -> list[tuple[Any, ...]]:
        """One prepared read on this thread's connection; once more on a new one if the server has closed it."""
        connection = self._connection()
        try:
            return connection.execute(statement, [keys], prepare=True, binary=True).fetchall()
        except psycopg.OperationalError:
            if not connection.closed:
                raise
            return (
                self._connection().execute(statement, [keys], prepare=True, binary=True).fetchall()
            )

    def _connection(self) -> psycopg.Connection:
        """The connection of this thread and process."""
        held: _Held | None = getattr(self._local, "held", None)
        if held is None or held.process != os.getpid() or held.connection.closed:
            held = self._local.held = _Held(connect(Address(), autocommit=True))
        return held.connection


class _Held:
    """A connection that is closed when its thread or its store is gone: Feast tells a store no end."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.process = os.getpid()
        self.connection = connection

    def __del__(self) -> None:
        if self.process == os.getpid():  # after a fork it is the parent's
            self.connection.close()


NEWER = sql.SQL(
    "(excluded.as_of, coalesce(excluded.known_at, '-infinity')) >= (live.as_of, coalesce(live.known_at, '-infinity'))"
)


def _newest_of_arrays(key: str, columns: dict[str, str]) -> sql.Composed:
    """SELECT the newest row of each key from one array per column: a row may stand in a batch more than once."""
    return sql.SQL(
        "SELECT DISTINCT ON ({key}) {columns} FROM unnest({arrays}) AS batch ({columns})"
        " ORDER BY {key}, as_of DESC, known_at DESC NULLS LAST"
    ).format(
        key=sql.Identifier(key),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        arrays=sql.SQL(", ").join(sql.SQL(f"%s::{kind}[]") for kind in columns.values()),
    )


def _key(view: FeatureView) -> tuple[str, str, str]:
    """Name, SQL type and Value field of the one key of a view."""
    if len(view.entity_columns) != 1:
        raise ValueError(
            f"feature view '{view.name}' has {len(view.entity_columns)} join keys, this store needs exactly one"
        )
    column = view.entity_columns[0]
    return (column.name, *_type_of(view, column))


def _features(view: FeatureView) -> dict[str, tuple[str, str]]:
    return {feature.name: _type_of(view, feature) for feature in view.features}


def _type_of(view: FeatureView, field: Any) -> tuple[str, str]:
    name = field.dtype.to_value_type().name
    if name not in TYPES:
        raise ValueError(
            f"'{view.name}:{field.name}' is of type {name}; this store holds {', '.join(TYPES)}"
        )
    return TYPES[name]


def _key_value(key: EntityKey) -> Value:
    value: Value = key.entity_values[0]
    return value


def _plain(value: Value | None) -> Any:
    """The value in a Value; None for a null in either of Feast's two forms."""
    field = value.WhichOneof("val") if value is not None else None
    return None if field is None or field == "null_val" else getattr(value, field)


def _answer(row: tuple[Any, ...], fields: dict[str, str]) -> Answer:
    values = zip(fields.items(), row[2:], strict=True)
    return row[1], {
        name: Value() if value is None else Value(**{field: value})
        for (name, field), value in values
    }


def _aware(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
