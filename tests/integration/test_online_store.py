"""The live features: Feast's online store over them, materialize, and the reader of the API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import psycopg
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, RepoConfig, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import (
    PostgreSQLSource,
)
from feast.infra.online_stores.helpers import _to_naive_utc
from feast.infra.registry.sql import SqlRegistryConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import NULL, Value
from feast.types import (
    Bool,
    Bytes,
    Float32,
    Float64,
    Int32,
    Int64,
    PrimitiveFeastType,
    String,
    UnixTimestamp,
)
from support.frozen import (
    create_catalog_tables,
    freeze,
    fresh_database,
    instant,
    pg_environment,
    stock_store_options,
    tiny_catalog,
)

from streamflow.database import Address
from streamflow.errors import CatalogInvalid, NotMigrated, SnapshotMissing
from streamflow.features.feature_service import ServiceFeature, features_of
from streamflow.features.live_features import OnlineReader, OnlineRow
from streamflow.features.live_tables import ensure_live_table, live_columns
from streamflow.features.materialize import materialize
from streamflow.features.repository import FeatureRepository

TYPES: dict[str, tuple[PrimitiveFeastType, list[Value]]] = {
    "bool": (Bool, [Value(bool_val=False), Value(bool_val=True)]),
    "int32": (Int32, [Value(int32_val=-(2**31)), Value(int32_val=0)]),
    "int64": (Int64, [Value(int64_val=2**63 - 1), Value(int64_val=0)]),
    "float32": (Float32, [Value(float_val=29.85), Value(float_val=-0.0)]),
    "float64": (Float64, [Value(double_val=29.85), Value(double_val=5e-324)]),
    "string": (String, [Value(string_val=""), Value(string_val='Zoë\'s \\ "net" {x}')]),
    "bytes": (Bytes, [Value(bytes_val=b""), Value(bytes_val=b"\x00\xff")]),
    "moment": (UnixTimestamp, [Value(unix_timestamp_val=1706659200), Value(unix_timestamp_val=-1)]),
}
FIRST, SECOND = instant("2024-01-31"), instant("2024-02-29")


class Pair(NamedTuple):
    """The same view in a store of ours and in Feast's own."""

    ours: FeatureStore
    stock: FeatureStore
    view: FeatureView


def open_pair(key_type: ValueType, key_field: PrimitiveFeastType) -> Pair:
    entity = Entity(name="user", join_keys=["user_id"], value_type=key_type)
    fields = [
        Field(name="user_id", dtype=key_field),
        *(Field(name=n, dtype=kind) for n, (kind, _) in TYPES.items()),
    ]
    source = PostgreSQLSource(
        name="every",
        table="history.every",
        timestamp_field="as_of",
        created_timestamp_column="known_at",
    )
    view = FeatureView(
        name="every_fv", entities=[entity], ttl=timedelta(days=62), schema=fields, source=source
    )
    stores = []
    ours = {"type": "streamflow.features.online.StreamflowOnlineStore"}
    for project, online in (("ours", ours), ("stock", stock_store_options())):
        config = RepoConfig(
            project=project,
            provider="local",
            registry=SqlRegistryConfig(
                registry_type="sql",
                path="postgresql+psycopg:///",
                sqlalchemy_config_kwargs={"connect_args": {"options": "-c search_path=feast"}},
            ),
            offline_store={"type": "streamflow.features.offline.StreamflowOfflineStore"},
            online_store=online,
            entity_key_serialization_version=3,
        )
        stores.append(FeatureStore(config=config))
        stores[-1].apply([entity, view])
    return Pair(stores[0], stores[1], stores[0].get_feature_view("every_fv"))


@pytest.fixture
def pair(pair_database: tuple[Pair, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Pair:
    for name, value in pair_database[1].items():
        monkeypatch.setenv(name, value)
    return pair_database[0]


@pytest.fixture(scope="module", params=["string", "int"])
def pair_database(
    server: Address, request: pytest.FixtureRequest
) -> Iterator[tuple[Pair, dict[str, str]]]:
    """One database for all tests with a pair, and the PG* that name it."""
    with fresh_database(server) as connection:
        create_catalog_tables(connection, tiny_catalog())
        opened = (
            open_pair(ValueType.STRING, String)
            if request.param == "string"
            else open_pair(ValueType.INT64, Int64)
        )
        yield opened, pg_environment()
        for store in (opened.ours, opened.stock):
            store.registry.write_engine.dispose()
        opened.stock._get_provider().online_store._conn.close()


def keys_of(pair: Pair) -> list[Any]:
    return ["a", "Zoë", ""] if pair.view.entity_columns[0].dtype == String else [1, 2**63 - 1, -5]


def entity_key(key: str | int) -> EntityKey:
    value = Value(string_val=key) if isinstance(key, str) else Value(int64_val=key)
    return EntityKey(join_keys=["user_id"], entity_values=[value])


def write(
    store: FeatureStore, rows: list[tuple[Any, dict[str, Value], datetime, datetime | None]]
) -> None:
    """Through Feast's provider, as `feast materialize` and pushes do."""
    view = store.get_feature_view("every_fv")
    data = [(entity_key(key), values, at, known) for key, values, at, known in rows]
    store._get_provider().online_write_batch(store.config, view, data, None)


def read(
    store: FeatureStore, keys: list[Any], names: list[str] | None = None
) -> dict[str, list[Any]]:
    """Per feature: (value, status, event timestamp) of each key."""
    refs = [f"every_fv:{name}" for name in names or TYPES]
    response = store.get_online_features(
        features=refs, entity_rows=[{"user_id": key} for key in keys]
    )
    columns = dict(
        zip(response.proto.metadata.feature_names.val, response.proto.results, strict=True)
    )
    values = response.to_dict()
    return {
        name: list(
            zip(
                values[name],
                column.statuses,
                [t.ToMicroseconds() for t in column.event_timestamps],
                strict=True,
            )
        )
        for name, column in columns.items()
    }


def test_equal_to_feasts_own_store_for_every_type(pair: Pair) -> None:
    first, second, third = keys_of(pair)
    rows: list[tuple[Any, dict[str, Value], datetime, datetime | None]] = [
        (
            first,
            {name: values[0] for name, (_, values) in TYPES.items()},
            datetime(2024, 1, 31, 1, 2, 3, 456789),
            None,
        ),
        (
            second,
            {name: values[1] for name, (_, values) in TYPES.items()},
            FIRST,
            FIRST + timedelta(days=1),
        ),
        (third, dict.fromkeys(TYPES, Value()), SECOND, SECOND),
    ]
    for store in (pair.ours, pair.stock):
        write(store, rows)
    asked = [third, first, "nobody" if isinstance(first, str) else 77, second, first]
    assert read(pair.ours, asked) == read(pair.stock, asked)
    assert read(pair.ours, asked, ["float64"]) == read(pair.stock, asked, ["float64"])


def test_both_forms_of_a_null_are_a_null(pair: Pair) -> None:
    key = keys_of(pair)[0]  # Feast's own store gives back 0 or '' for the second form
    write(
        pair.ours,
        [(key, {"int64": Value(), "string": Value(null_val=NULL)}, datetime.now(UTC), None)],
    )
    answer = read(pair.ours, [key])
    assert (answer["int64"][0][0], answer["string"][0][0]) == (None, None)


def test_the_newest_row_wins_within_and_across_batches(pair: Pair) -> None:
    key = keys_of(pair)[0]

    def row(
        value: int, as_of: datetime, known_at: datetime | None
    ) -> tuple[Any, dict[str, Value], datetime, datetime | None]:
        return (
            key,
            {"int64": Value(int64_val=value)},
            _to_naive_utc(as_of),
            known_at and _to_naive_utc(known_at),
        )

    base = datetime.now(UTC)
    day = timedelta(days=1)
    write(pair.ours, [row(1, base, None), row(3, base + day, base), row(2, base + day, None)])
    assert read(pair.ours, [key])["int64"][0][0] == 3
    write(pair.ours, [row(4, base, base + 9 * day)])  # an older drop, known later
    assert read(pair.ours, [key])["int64"][0][0] == 3
    write(pair.ours, [row(5, base + day, base + day)])  # a correction
    assert read(pair.ours, [key])["int64"][0][0] == 5
    write(pair.ours, [])


def test_one_store_serves_many_threads(pair: Pair) -> None:
    key = keys_of(pair)[1]
    write(pair.ours, [(key, {"int64": Value(int64_val=7)}, datetime.now(UTC), None)])
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: read(pair.ours, [key], ["int64"])["int64"][0][0], range(200))
        )
    assert set(answers) == {7}


def test_a_read_survives_a_closed_connection(pair: Pair) -> None:
    key = keys_of(pair)[1]
    write(pair.ours, [(key, {"int64": Value(int64_val=7)}, datetime.now(UTC), None)])
    assert read(pair.ours, [key])["int64"][0][0] == 7
    with psycopg.connect("", autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND query LIKE '%online%every_fv%'"
        )
    assert read(pair.ours, [key])["int64"][0][0] == 7


# --- the tables -----------------------------------------------------------------------


class Live(NamedTuple):
    """A database with the tiny catalog applied and two drops frozen."""

    connection: psycopg.Connection
    repository: FeatureRepository


@pytest.fixture
def live(server: Address, tmp_path: Path) -> Iterator[Live]:
    catalog = tiny_catalog()
    with fresh_database(server) as connection:
        create_catalog_tables(connection, catalog)
        repository = FeatureRepository(tmp_path, catalog)
        repository.write({})
        repository.apply()
        for as_of, shift in ((FIRST, 0), (SECOND, 100)):
            freeze_drop(
                connection,
                as_of,
                {"a": 1 + shift, "b": None} if shift else {"a": 1, "b": 2, "gone": 3},
            )
        yield Live(connection, repository)
        repository.close()


def freeze_drop(
    connection: psycopg.Connection, as_of: datetime, tenure: dict[str, int | None], after: int = 1
) -> None:
    known_at = as_of + timedelta(days=after)
    rows = [(key, n, None if n is None else n / 4, True, "DSL") for key, n in tenure.items()]
    freeze(
        connection, "plan", as_of, known_at, ["user_id", "tenure", "fee", "paperless", "net"], rows
    )
    freeze(
        connection, "usage", as_of, known_at, ["user_id", "hours"], [(key, 29.85) for key in tenure]
    )


READER = OnlineReader(features_of(tiny_catalog()), key="user_id")
VIEWS = ("plan_fv", "usage_fv")


def test_materialize_makes_the_newest_drop_the_live_state(live: Live) -> None:
    done = materialize(live.connection, tiny_catalog(), as_of=FIRST)
    assert [(m.view, m.rows, m.removed, m.as_of) for m in done] == [(v, 3, 0, FIRST) for v in VIEWS]
    done = materialize(live.connection, tiny_catalog())
    assert [(m.view, m.rows, m.removed, m.as_of) for m in done] == [
        (v, 2, 1, SECOND) for v in VIEWS
    ]
    row = READER.read(live.connection, "a")
    assert row is not None
    assert (row.values, dict(row.as_of)) == (
        (101, 25.25, True, "DSL", 29.85),
        dict.fromkeys(VIEWS, SECOND),
    )
    assert READER.read(live.connection, "gone") is None


def test_the_reader_tells_a_null_from_a_missing_row(live: Live) -> None:
    materialize(live.connection, tiny_catalog())
    null = READER.read(live.connection, "b")
    assert null is not None
    assert (null.values, dict(null.as_of)) == (
        (None, None, True, "DSL", 29.85),
        dict.fromkeys(VIEWS, SECOND),
    )
    live.connection.execute("DELETE FROM online.plan_fv WHERE user_id = 'b'")
    missing = READER.read(live.connection, "b")
    assert missing is not None
    assert (missing.values, dict(missing.as_of)) == (
        (None, None, None, None, 29.85),
        {"plan_fv": None, "usage_fv": SECOND},
    )


async def beside(asked: list[str]) -> tuple[dict[str, datetime | None], list[OnlineRow | None]]:
    async with await psycopg.AsyncConnection.connect("", autocommit=True) as connection:
        return await READER.live_as_of(connection), await READER.read_many_async(connection, asked)


def test_the_reader_keeps_the_order_of_keys_and_features(live: Live) -> None:
    asked = ["b", "nobody", "a", "a"]
    assert asyncio.run(beside(asked)) == (dict.fromkeys(VIEWS), [None] * 4)
    materialize(live.connection, tiny_catalog())
    rows = READER.read_many(live.connection, asked)
    assert asyncio.run(beside(asked)) == (dict.fromkeys(VIEWS, SECOND), rows)
    assert [row and row.values[0] for row in rows] == [None, None, 101, 101]
    assert (rows[0] is None, rows[1] is None) == (False, True)
    backwards = OnlineReader(features_of(tiny_catalog())[::-1], key="user_id").read(
        live.connection, "a"
    )
    assert backwards is not None
    assert backwards.values == (29.85, "DSL", True, 25.25, 101)


def test_feast_reads_what_materialize_wrote(live: Live) -> None:
    live.repository.record_materialization(materialize(live.connection, tiny_catalog()))
    store = FeatureStore(repo_path=str(live.repository.folder))
    refs = ["plan_fv:tenure", "plan_fv:net", "usage_fv:hours"]
    answer = store.get_online_features(
        features=refs, entity_rows=[{"user_id": k} for k in ("a", "b", "gone")]
    ).to_dict()
    assert answer["tenure"] == [101, None, None]
    assert answer["hours"] == [29.85, 29.85, None]
    store.registry.write_engine.dispose()


def test_a_correction_reaches_the_live_state_and_k_goes_back(live: Live) -> None:
    freeze_drop(live.connection, SECOND, {"a": 555}, after=9)
    assert [m.removed for m in materialize(live.connection, tiny_catalog())] == [0, 0]
    assert READER.read_many(live.connection, ["b"]) == [None]
    materialize(live.connection, tiny_catalog(), known_at=SECOND + timedelta(days=8))
    row = READER.read(live.connection, "a")
    assert row is not None
    assert row.values[0] == 101


def test_a_drop_that_is_not_frozen_in_full_is_passed_over(live: Live) -> None:
    freeze(
        live.connection,
        "plan",
        instant("2024-03-31"),
        instant("2024-04-01"),
        ["user_id", "tenure"],
        [("a", 9)],
    )
    assert {m.as_of for m in materialize(live.connection, tiny_catalog())} == {SECOND}
    with pytest.raises(SnapshotMissing, match="no drop as of 2024-03-31"):
        materialize(live.connection, tiny_catalog(), as_of=instant("2024-03-31"))
    row = READER.read(live.connection, "a")
    assert row is not None
    assert row.as_of["plan_fv"] == SECOND


def test_materialize_again_changes_nothing(live: Live) -> None:
    materialize(live.connection, tiny_catalog())
    before = live.connection.execute("SELECT * FROM online.plan_fv ORDER BY user_id").fetchall()
    materialize(live.connection, tiny_catalog())
    assert (
        live.connection.execute("SELECT * FROM online.plan_fv ORDER BY user_id").fetchall()
        == before
    )


def test_a_reader_never_sees_two_drops(live: Live) -> None:
    materialize(live.connection, tiny_catalog(), as_of=FIRST)
    done = Event()

    def watch() -> set[tuple[datetime | None, ...]]:
        seen = set()
        with psycopg.connect("", autocommit=True) as connection:
            while not done.is_set():
                row = READER.read(connection, "a")
                assert row is not None
                seen.add(tuple(row.as_of.values()))
        return seen

    with ThreadPoolExecutor(1) as pool:
        watched = pool.submit(watch)
        try:
            for n in range(40):
                materialize(live.connection, tiny_catalog(), as_of=(SECOND, FIRST)[n % 2])
        finally:
            done.set()
        assert watched.result() <= {(FIRST, FIRST), (SECOND, SECOND)}


def test_a_view_whose_table_left_the_catalog_is_emptied(live: Live) -> None:
    materialize(live.connection, tiny_catalog())
    old = ServiceFeature(view="usage_fv", name="hours", type="float", table="usage", ttl_days=31)
    kept = tiny_catalog()
    views = {name: view for name, view in kept.views.items() if name != "usage_fv"}
    tables = {name: table for name, table in kept.tables.items() if name != "usage"}
    smaller = kept.model_copy(update={"views": views, "tables": tables})
    done = {
        m.view: (m.rows, m.removed)
        for m in materialize(live.connection, smaller, services={"old": [old]})
    }
    assert done == {"plan_fv": (2, 0), "usage_fv": (0, 2)}


def test_nothing_frozen_and_nothing_applied(server: Address) -> None:
    with fresh_database(server) as connection:
        create_catalog_tables(connection, tiny_catalog())
        with pytest.raises(SnapshotMissing, match="each of the tables plan, usage; the live"):
            materialize(connection, tiny_catalog())
        freeze_drop(connection, FIRST, {"a": 1})
        with pytest.raises(NotMigrated, match="plan_fv"):
            materialize(connection, tiny_catalog())
        with pytest.raises(NotMigrated, match=r"online\.plan_fv"):
            READER.read(connection, "a")


def test_a_table_is_widened_never_narrowed(live: Live) -> None:
    key = {"user_id": "text"}
    ensure_live_table(live.connection, "usage_fv", key, {"minutes": "bigint"})
    ensure_live_table(live.connection, "usage_fv", key, {"minutes": "bigint"})
    assert list(live_columns(live.connection, "usage_fv")) == [
        "user_id",
        "as_of",
        "known_at",
        "hours",
        "minutes",
    ]
    with pytest.raises(
        CatalogInvalid, match=r"column online\.usage_fv\.hours has the type double precision"
    ):
        ensure_live_table(live.connection, "usage_fv", key, {"hours": "text"})


def test_only_the_views_that_feast_names_are_dropped(live: Live) -> None:
    store = FeatureStore(repo_path=str(live.repository.folder))
    view = store.get_feature_view("usage_fv")
    store.apply([], objects_to_delete=[view], partial=False)
    assert (
        live_columns(live.connection, "usage_fv"),
        len(live_columns(live.connection, "plan_fv")),
    ) == ({}, 7)
    store.teardown()
    assert live_columns(live.connection, "plan_fv") == {}
    store.registry.write_engine.dispose()
