"""Our two stores over any source of Feast: plain tables, queries, views without a key or with two.

Where Feast's own PostgreSQL stores can do the same, they are asked for the right answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import psycopg
import pyarrow as pa
import pytest
from feast import (
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    PushSource,
    RepoConfig,
    StreamFeatureView,
    ValueType,
)
from feast.data_source import PushMode
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import (
    PostgreSQLSource,
    SavedDatasetPostgreSQLStorage,
)
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.registry.registry import RegistryConfig
from feast.types import Array, Float64, Int32, Int64, Map, String
from support.frozen import (
    create_schemas,
    create_table,
    freeze,
    fresh_database,
    instant,
    pg_environment,
    stock_store_options,
)

from streamflow.database import Address
from streamflow.errors import CatalogInvalid, FeastUnsupported, PermissionMissing
from streamflow.features.offline import StreamflowOfflineStore
from streamflow.warehouse.whole_database import SCHEMAS

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning:feast"),
]
NOON = datetime(2024, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OFFLINE = {"type": "streamflow.features.offline.StreamflowOfflineStore"}
ONLINE = {"type": "streamflow.features.online.StreamflowOnlineStore"}
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
CITY = Entity(name="city", join_keys=["city"], value_type=ValueType.STRING)

TABLES = """
CREATE TABLE trips (driver_id bigint, trips integer, moment timestamp, made timestamptz);
INSERT INTO trips VALUES
    (1, 10, '2024-01-31 09:00', '2024-01-31 09:30+00'),
    (1, 11, '2024-01-31 09:00', '2024-01-31 13:00+00'),
    (1, 20, '2024-01-31 11:00', '2024-01-31 11:30+00'),
    (2, 30, '2024-01-31 10:00', '2024-01-31 13:00+00');
CREATE TABLE weather (degrees double precision, moment timestamptz);
INSERT INTO weather VALUES (1.5, '2024-01-31 09:00+00'), (2.5, '2024-01-31 11:00+00');
CREATE TABLE visits (city text, driver_id bigint, visits bigint, moment timestamptz);
INSERT INTO visits VALUES
    ('Ulm', 1, 7, '2024-01-31 09:00+00'), ('Ulm', 2, 8, '2024-01-31 09:00+00'),
    ('Bonn', 1, 9, '2024-01-31 10:00+00');
CREATE TYPE size AS ENUM ('small', 'large');
CREATE TABLE odd (id uuid, price numeric, prices numeric[], note jsonb, tags text[], sums bigint[],
    host inet, pause interval, size size, ids uuid[], day date);
INSERT INTO odd VALUES ('00000000-0000-0000-0000-000000000001', 1.25, '{1.5,2}', '{"a": 1}',
    '{x,y}', '{1,2}', '::1', '90 minutes', 'small', '{00000000-0000-0000-0000-000000000002}',
    '2024-01-31');
"""


class Pair(NamedTuple):
    """The same definitions in our stores and in Feast's own."""

    connection: psycopg.Connection
    ours: FeatureStore
    stock: FeatureStore

    def apply(self, *definitions: Any) -> None:
        for store in (self.ours, self.stock):
            store.apply(list(definitions))


@pytest.fixture
def pair(pair_database: tuple[Pair, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Pair:
    for name, value in pair_database[1].items():
        monkeypatch.setenv(name, value)
    return pair_database[0]


@pytest.fixture(scope="module")
def pair_database(
    server: Address, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Pair, dict[str, str]]]:
    """One database for all tests of this file, and the PG* that name it."""
    folder = tmp_path_factory.mktemp("registries")
    with fresh_database(server) as connection:
        create_schemas(connection)
        connection.execute(TABLES)
        stores = [
            FeatureStore(
                config=RepoConfig(
                    project=project,
                    provider="local",
                    registry=RegistryConfig(path=str(folder / f"{project}.db")),
                    offline_store=offline,
                    online_store=online,
                    entity_key_serialization_version=3,
                )
            )
            for project, offline, online in [
                ("ours", OFFLINE, ONLINE),
                ("stock", stock_store_options(), stock_store_options()),
            ]
        ]
        yield Pair(connection, *stores), pg_environment()
        stock_connection = stores[1]._get_provider().online_store._conn
        if stock_connection:
            stock_connection.close()


def view(
    name: str, source: Any, entities: list[Entity], *fields: Field, kind: Any = FeatureView
) -> Any:
    """A feature view without a limit of age."""
    return kind(name=name, entities=entities, ttl=timedelta(0), schema=list(fields), source=source)


def table(name: str, created: str = "") -> PostgreSQLSource:
    return PostgreSQLSource(
        name=f"{name}_table", table=name, timestamp_field="moment", created_timestamp_column=created
    )


def query(name: str, created: str = "") -> PostgreSQLSource:
    return PostgreSQLSource(
        name=f"{name}_query",
        query=f"SELECT * FROM {name}",
        timestamp_field="moment",
        created_timestamp_column=created,
    )


def asking(instants: list[datetime], **keys: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({**keys, "event_timestamp": pd.to_datetime(instants, utc=True)})


def history(store: FeatureStore, entities: Any, *refs: str, **options: Any) -> list[Any]:
    """The values of the last feature, in the order of the rows."""
    answer = store.get_historical_features(entity_df=entities, features=list(refs), **options)
    frame = answer.to_df()
    values = frame.sort_values("row") if "row" in frame else frame
    column = values[refs[-1].split(":")[1]]
    return [None if pd.isna(value) else value for value in column.tolist()]


def live(store: FeatureStore, rows: list[dict[str, Any]], *refs: str) -> dict[str, list[Any]]:
    answer = store.get_online_features(features=list(refs), entity_rows=rows).to_dict()
    return {ref.split(":")[1]: answer[ref.split(":")[1]] for ref in refs}


# --- views without a key, with two keys, without a schema -----------------------------------


def test_a_view_without_entities_is_joined_by_time_alone_and_served(pair: Pair) -> None:
    pair.apply(view("weather_fv", query("weather"), [], Field(name="degrees", dtype=Float64)))
    entities = asking([NOON, NOON - 2 * HOUR, NOON - 4 * HOUR]).assign(row=range(3))
    for store in pair[1:]:
        assert history(store, entities, "weather_fv:degrees") == [2.5, 1.5, None]
    # Feast's own store cannot materialize such a view: "Column __dummy_id not found in table".
    pair.ours.materialize(NOON - 9 * HOUR, NOON, feature_views=["weather_fv"])
    rows = [{"driver_id": 1}, {"driver_id": 2}]
    assert live(pair.ours, rows, "weather_fv:degrees") == {"degrees": [2.5, 2.5]}


def test_a_view_with_two_keys_is_joined_and_served(pair: Pair) -> None:
    fields = [Field(name="visits", dtype=Int64)]
    pair.apply(DRIVER, CITY, view("visits_fv", query("visits"), [DRIVER, CITY], *fields))
    keys = {"city": ["Ulm", "Ulm", "Bonn", "Bonn"], "driver_id": [1, 2, 1, 2]}
    entities = asking([NOON] * 4, **keys).assign(row=range(4))
    rows = [{"city": c, "driver_id": d} for c, d in zip(*keys.values(), strict=True)]
    for store in pair[1:]:
        assert history(store, entities, "visits_fv:visits") == [7, 8, 9, None]
        store.materialize(NOON - 9 * HOUR, NOON, feature_views=["visits_fv"])
        assert live(store, rows, "visits_fv:visits") == {"visits": [7, 8, 9, None]}


def test_keys_and_features_that_the_schema_does_not_list_are_taken_from_the_source(
    pair: Pair,
) -> None:
    driver = Entity(name="untyped_driver", join_keys=["driver_id"])
    field = Field(name="trips", dtype=Int32)
    without_key = view("no_key_fv", query("trips", "made"), [driver], field)
    pair.apply(driver, without_key, view("no_schema_fv", table("trips", "made"), [driver]))
    for name in ("no_key_fv", "no_schema_fv"):
        ours, stock = (store.get_feature_view(name) for store in pair[1:])
        assert ours.entity_columns == stock.entity_columns == [Field(name="driver_id", dtype=Int64)]
        assert ours.features == stock.features == [Field(name="trips", dtype=Int32)]


def test_feast_asks_for_columns_with_the_role_of_our_connections(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.connection.execute("DROP ROLE IF EXISTS suite_reader; CREATE ROLE suite_reader")
    monkeypatch.setenv("PGOPTIONS", "-c role=suite_reader -c timezone=UTC")
    who = PostgreSQLSource(
        name="who", query="SELECT current_setting('role') AS role, 1 AS n", timestamp_field="n"
    )
    names = [name for name, _ in who.get_table_column_names_and_types(pair.ours.config)]
    assert names == ["role", "n"]
    checked = PostgreSQLSource(name="no", table="trips", timestamp_field="moment")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        checked.get_table_column_names_and_types(pair.ours.config)
    monkeypatch.delenv("PGOPTIONS")
    pair.connection.execute("DROP ROLE suite_reader")


# --- plain sources in time --------------------------------------------------------------------


def test_a_plain_source_gives_what_feasts_own_store_gives(pair: Pair) -> None:
    fields = [Field(name="driver_id", dtype=Int64), Field(name="trips", dtype=Int32)]
    pair.apply(
        DRIVER,
        view("made_fv", query("trips", "made"), [DRIVER], *fields),
        view("plain_fv", table("trips"), [DRIVER], *fields),
    )
    instants = [NOON - 3 * HOUR, NOON - HOUR, NOON, NOON, NOON - 9 * HOUR]
    entities = asking(instants, driver_id=[1, 1, 1, 2, 1]).assign(row=range(5))
    for store in pair[1:]:
        assert history(store, entities, "made_fv:trips") == [11, 20, 20, 30, None]
        created = {"filter_by_created_timestamp": True}
        assert history(store, entities, "made_fv:trips", **created) == [None, 10, 20, None, None]
        assert history(store, entities.assign(driver_id=2), "plain_fv:trips") == [
            None,
            30,
            30,
            30,
            None,
        ]


def test_a_known_at_counts_for_a_plain_source_with_a_time_of_creation(pair: Pair) -> None:
    fields = [Field(name="driver_id", dtype=Int64), Field(name="trips", dtype=Int32)]
    pair.ours.apply(
        [
            DRIVER,
            view("made_fv", query("trips", "made"), [DRIVER], *fields),
            view("plain_fv", table("trips"), [DRIVER], *fields),
        ]
    )
    known = pd.to_datetime([NOON - 2 * HOUR, NOON + 9 * HOUR, NOON - 9 * HOUR], utc=True)
    entities = asking([NOON - 3 * HOUR] * 3, driver_id=[1] * 3).assign(known_at=known)
    assert history(pair.ours, entities, "made_fv:trips") == [10, 11, None]
    with pytest.raises(FeastUnsupported, match="'plain_fv': its source has no created_timestamp"):
        history(pair.ours, entities, "plain_fv:trips")


def test_a_history_read_as_known_at_each_rows_instant(pair: Pair) -> None:
    create_table(pair.connection, "usage", {"driver_id": "int", "hours": "float"})
    first = instant("2024-01-31")
    for days, hours in ((1, 1.0), (9, 2.0)):
        known_at = first + timedelta(days=days)
        freeze(pair.connection, "usage", first, known_at, ["driver_id", "hours"], [(1, hours)])
    source = PostgreSQLSource(
        name="usage",
        table="history.usage",
        timestamp_field="as_of",
        created_timestamp_column="known_at",
    )
    pair.ours.apply(
        [DRIVER, view("usage_fv", source, [DRIVER], Field(name="hours", dtype=Float64))]
    )
    entities = asking([first + timedelta(days=days) for days in (0, 1, 8, 9)], driver_id=[1] * 4)
    created = {"filter_by_created_timestamp": True}
    assert history(pair.ours, entities, "usage_fv:hours", **created) == [None, 1.0, 1.0, 2.0]
    assert history(pair.ours, entities, "usage_fv:hours") == [2.0] * 4


def test_types_of_postgresql_without_a_type_of_arrow(pair: Pair) -> None:
    expected = {
        "price": 1.25,
        "prices": [1.5, 2.0],
        "note": '{"a": 1}',
        "tags": ["x", "y"],
        "sums": [1, 2],
        "host": "::1/128",
        "pause": "01:30:00",
        "size": "small",
        "ids": ["00000000-0000-0000-0000-000000000002"],
    }
    entity = Entity(name="thing", join_keys=["id"], value_type=ValueType.STRING)
    fields = [Field(name=name, dtype=String) for name in expected]
    source = PostgreSQLSource(name="odd", table="odd", timestamp_field="day")
    pair.ours.apply([entity, view("odd_fv", source, [entity], *fields)])
    key = "00000000-0000-0000-0000-000000000001"
    answer = pair.ours.get_historical_features(
        entity_df=asking([NOON, NOON], id=[key, "?"]),
        features=[f"odd_fv:{name}" for name in expected],
    ).to_arrow()
    rows = answer.select(list(expected)).to_pylist()
    assert rows == [expected, dict.fromkeys(expected)]
    assert answer.schema.field("tags").type == pa.list_(pa.string())


def test_without_an_entity_frame_keys_of_a_different_order_do_not_mix(pair: Pair) -> None:
    fields = [Field(name="visits", dtype=Int64)]
    pair.ours.apply(
        [
            DRIVER,
            CITY,
            view("visits_fv", query("visits"), [DRIVER, CITY], *fields),
            view("back_fv", query("visits"), [CITY, DRIVER], *fields),
            view("trips_fv", query("trips", "made"), [DRIVER], Field(name="trips", dtype=Int32)),
        ]
    )
    period: dict[str, Any] = {"start_date": NOON - 9 * HOUR, "end_date": NOON}
    frame = pair.ours.get_historical_features(
        features=["visits_fv:visits", "back_fv:visits"], full_feature_names=True, **period
    ).to_df()
    rows = frame.sort_values("back_fv__visits").drop(columns="event_timestamp")
    assert rows.to_dict("records") == [
        {"city": city, "driver_id": driver, "visits_fv__visits": n, "back_fv__visits": n}
        for city, driver, n in [("Ulm", 1, 7), ("Ulm", 2, 8), ("Bonn", 1, 9)]
    ]
    trips = pair.ours.get_historical_features(features=["trips_fv:trips"], **period).to_df()
    assert sorted(trips["trips"]) == [11, 20, 30]
    with pytest.raises(FeastUnsupported, match="views with different keys need an entity frame"):
        history(pair.ours, None, "visits_fv:visits", "trips_fv:trips", **period)


# --- pushes and values --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [StreamFeatureView, FeatureView])
def test_a_push_to_a_view_whose_schema_lists_its_key(pair: Pair, kind: Any) -> None:
    name = f"pushed_{kind.__name__}"
    source = PushSource(name=name, batch_source=table("trips", "made"))
    fields = [Field(name="driver_id", dtype=Int64), Field(name="trips", dtype=Int32)]
    pair.ours.apply([DRIVER, view(name, source, [DRIVER], *fields, kind=kind)])
    row = pd.DataFrame({"driver_id": [5], "trips": [50], "moment": [NOON], "made": [NOON]})
    pair.ours.push(name, row)
    assert live(pair.ours, [{"driver_id": 5}], f"{name}:trips") == {"trips": [50]}
    with pytest.raises(FeastUnsupported, match="belongs to a drop"):
        pair.ours.push(name, row, to=PushMode.OFFLINE)


def test_lists_and_maps_are_served_as_feasts_own_store_serves_them(pair: Pair) -> None:
    fields = [
        Field(name="driver_id", dtype=Int64),
        Field(name="tags", dtype=Array(String)),
        Field(name="sums", dtype=Array(Int64)),
        Field(name="extra", dtype=Map),
    ]
    pair.apply(DRIVER, view("rich_fv", table("trips", "made"), [DRIVER], *fields))
    rows = pd.DataFrame(
        {
            "driver_id": [1, 2],
            "tags": [["x", "y"], []],
            "sums": [[1, 2**40], [3]],
            "extra": [{"a": "b"}, None],
            "moment": [NOON] * 2,
            "made": [NOON] * 2,
        }
    )
    refs = [f"rich_fv:{name}" for name in ("tags", "sums", "extra")]
    answers = []
    for store in pair[1:]:
        store.write_to_online_store("rich_fv", rows)
        answers.append(live(store, [{"driver_id": key} for key in (2, 1, 3)], *refs))
    assert answers[0] == answers[1]
    assert answers[0]["tags"][1] == ["x", "y"]
    assert answers[0]["sums"] == [[3], [1, 2**40], None]


def test_a_read_may_be_awaited(pair: Pair) -> None:
    pair.ours.apply(
        [DRIVER, view("slow_fv", table("trips"), [DRIVER], Field(name="trips", dtype=Int32))]
    )
    pair.ours.materialize(NOON - 9 * HOUR, NOON, feature_views=["slow_fv"])
    rows = [{"driver_id": 1}, {"driver_id": 2}]
    answer = asyncio.run(
        pair.ours.get_online_features_async(features=["slow_fv:trips"], entity_rows=rows)
    ).to_dict()
    assert answer["trips"] == [20, 30]


def test_a_row_with_a_forgotten_key_in_any_part_of_its_key_is_left_out(pair: Pair) -> None:
    fields = [Field(name="visits", dtype=Int64)]
    pair.ours.apply([DRIVER, CITY, view("gone_fv", query("visits"), [DRIVER, CITY], *fields)])
    is_forgotten = (
        "CREATE OR REPLACE FUNCTION streamflow.is_forgotten(key text, as_of timestamptz)"
        " RETURNS boolean LANGUAGE sql AS 'SELECT {}'"
    )
    pair.connection.execute(is_forgotten.format("key IN (''Bonn'', ''2'')"))
    pair.ours.materialize(NOON - 9 * HOUR, NOON, feature_views=["gone_fv"])
    pair.connection.execute(is_forgotten.format("false"))
    rows = [{"city": c, "driver_id": d} for c, d in [("Ulm", 1), ("Ulm", 2), ("Bonn", 1)]]
    assert live(pair.ours, rows, "gone_fv:visits") == {"visits": [7, None, None]}


# --- what is wrong or not supported -------------------------------------------------------


@pytest.fixture
def typed(pair: Pair) -> FeatureStore:
    """Views with a key of each kind."""
    word = Entity(name="word", join_keys=["word"], value_type=ValueType.STRING)
    number = Entity(name="number", join_keys=["number"], value_type=ValueType.INT64)
    sources = [
        PostgreSQLSource(
            name=key,
            query=f"SELECT {value} AS {key}, 1 AS n, timestamptz '2024-01-31' AS moment",
            timestamp_field="moment",
        )
        for key, value in (("word", "'1'::text"), ("number", "1::bigint"))
    ]
    field = Field(name="n", dtype=Int32)
    pair.ours.apply(
        [
            word,
            number,
            view("word_fv", sources[0], [word], field),
            view("number_fv", sources[1], [number], field),
        ]
    )
    pair.ours.materialize(instant("2024-01-30"), NOON, feature_views=["word_fv", "number_fv"])
    return pair.ours


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("word", 1, "expected String, but the entity frame has Int64"),
        ("number", "1", "expected Int64, but the entity frame has String"),
        ("number", 1.5, "expected Int64, but the entity frame has Float64"),
        ("number", True, "expected Int64, but the entity frame has Boolean"),
    ],
)
def test_a_key_of_the_wrong_type_in_the_entity_frame(
    typed: FeatureStore, key: str, value: Any, expected: str
) -> None:
    message = f"feature view '{key}_fv', key '{key}': {expected}"
    with pytest.raises(ValueError, match=re.escape(message)):
        history(typed, asking([NOON], **{key: [value]}), f"{key}_fv:n")


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("word", pd.Series(["1", None])),
        ("word", pd.Series(["1", "2"], dtype="category")),
        ("word", pd.Series([None, None])),
        ("number", pd.Series([1, None])),
        ("number", pd.Series([1, 2], dtype="int8")),
        ("number", pd.Series([1, 2**63], dtype="uint64")),
    ],
    ids=["null", "category", "nulls", "integer and null", "int8", "too large"],
)
def test_keys_that_equal_those_of_the_source(typed: FeatureStore, key: str, values: Any) -> None:
    entities = asking([NOON, NOON]).assign(**{key: values})
    expected = [None, None] if values.isna().all() else [1, None]
    assert history(typed, entities, f"{key}_fv:n") == expected


def test_a_key_of_the_wrong_type_online(typed: FeatureStore) -> None:
    store = typed._get_provider().online_store
    number_view, word_view = (typed.get_feature_view(f"{key}_fv") for key in ("number", "word"))
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    def key(name: str, **value: Any) -> EntityKey:
        return EntityKey(join_keys=[name], entity_values=[Value(**value)])

    cases = [
        (number_view, key("number", string_val="1"), "'number': expected INT64, got '1' (STRING)"),
        (word_view, key("word", int64_val=1), "'word': expected STRING, got 1 (INT64)"),
        (word_view, key("number", int64_val=1), "'word': it is missing; the request has number"),
    ]
    for feature_view, wrong, message in cases:
        expected = re.escape(f"feature view '{feature_view.name}', key {message}")
        with pytest.raises(ValueError, match=expected):
            store.online_read(typed.config, feature_view, [wrong])
        with pytest.raises(ValueError, match=expected):
            store.online_write_batch(
                typed.config, feature_view, [(wrong, {"n": Value(int32_val=1)}, NOON, None)], None
            )
    with pytest.raises(ValueError, match=r"'word': expected STRING, row 1 has no value"):
        store.online_write_batch(typed.config, word_view, [(key("word"), {}, NOON, None)], None)
    assert store.online_read(typed.config, word_view, [key("word")]) == [(None, None)]
    found = store.online_read(typed.config, number_view, [key("number", int32_val=1)])
    assert found[0][1] == {"n": Value(int32_val=1)}


def test_a_live_table_does_not_take_a_different_key_or_a_column_of_its_own(pair: Pair) -> None:
    field = Field(name="visits", dtype=Int64)
    both_keys = view("changing_fv", query("visits"), [DRIVER, CITY], field)
    pair.ours.apply([DRIVER, CITY, both_keys])
    visit = {"driver_id": [1], "city": ["Bern"], "moment": [NOON], "visits": [1]}
    pair.ours.write_to_online_store("changing_fv", pd.DataFrame(visit))
    with pytest.raises(CatalogInvalid, match="has the key city, driver_id, but .* declares city"):
        pair.ours.apply([CITY, view("changing_fv", query("visits"), [CITY], field)])
    # A table without rows holds nothing that could be lost.
    pair.ours.apply([DRIVER, CITY, view("empty_fv", query("visits"), [DRIVER, CITY], field)])
    pair.ours.apply([CITY, view("empty_fv", query("visits"), [CITY], field)])
    reserved = Field(name="as_of", dtype=Int64)
    with pytest.raises(FeastUnsupported, match="a live table has a column 'as_of' of its own"):
        pair.ours.apply([CITY, view("reserved_fv", query("visits"), [CITY], reserved)])
    cities = Entity(name="cities", join_keys=["city"])
    listed = Field(name="city", dtype=Array(String))
    with pytest.raises(FeastUnsupported, match="key 'city': it has the type STRING_LIST"):
        pair.ours.apply([cities, view("listed_fv", query("visits"), [cities], listed, field)])


@pytest.fixture
def job(pair: Pair) -> Any:
    pair.ours.apply(
        [
            DRIVER,
            view("trips_fv", query("trips", "made"), [DRIVER], Field(name="trips", dtype=Int32)),
        ]
    )
    return pair.ours.get_historical_features(
        entity_df=asking([NOON, NOON - 2 * HOUR], driver_id=[1, 2]), features=["trips_fv:trips"]
    )


def test_a_dataset_is_saved_in_a_table_and_read_again(pair: Pair, job: Any) -> None:
    pair.connection.execute("CREATE SCHEMA IF NOT EXISTS datasets")
    storage = SavedDatasetPostgreSQLStorage(table_ref="datasets.January")
    saved = pair.ours.create_saved_dataset(from_=job, name="january", storage=storage)
    rows = [(1, 20), (2, 30)]
    assert sorted(saved.to_df()[["driver_id", "trips"]].itertuples(index=False, name=None)) == rows
    again = pair.ours.get_saved_dataset("january").to_df()
    assert sorted(again[["driver_id", "trips"]].itertuples(index=False, name=None)) == rows
    with pytest.raises(SavedDatasetLocationAlreadyExists, match="datasets.january"):
        job.persist(storage)
    job.persist(storage, allow_overwrite=True)
    counted = pair.connection.execute("SELECT count(*) FROM datasets.january").fetchone()
    assert counted == (2,)


def test_a_dataset_is_not_saved_where_it_must_not_be(pair: Pair, job: Any) -> None:
    for schema in SCHEMAS:
        with pytest.raises(
            FeastUnsupported, match=rf"schema '{schema}' of .* belongs to streamflow"
        ):
            job.persist(
                SavedDatasetPostgreSQLStorage(table_ref=f"{schema}.trips"), allow_overwrite=True
            )
    with pytest.raises(PermissionMissing, match='CREATE SCHEMA "nowhere"'):
        job.persist(SavedDatasetPostgreSQLStorage(table_ref="nowhere.trips"))
    pair.connection.execute("CREATE OR REPLACE VIEW looks AS SELECT 1 AS n")
    with pytest.raises(FeastUnsupported, match="is not an ordinary table"):
        job.persist(SavedDatasetPostgreSQLStorage(table_ref="looks"), allow_overwrite=True)
    with pytest.raises(FeastUnsupported, match="cannot write to a SavedDatasetFileStorage"):
        job.persist(SavedDatasetFileStorage(path="x"))


def test_sql_is_given_where_one_query_gives_the_rows(pair: Pair, job: Any) -> None:
    with pytest.raises(FeastUnsupported, match="polars joins the histories"):
        job.to_sql()
    pulled = StreamflowOfflineStore.pull_latest_from_table_or_query(
        pair.ours.config,
        query("trips"),
        ["driver_id"],
        ["trips"],
        "moment",
        "made",
        NOON - 9 * HOUR,
        NOON,
    )
    rows = pair.connection.execute(pulled.to_sql()).fetchall()
    # The newest row of each driver: key, trips, moment (without a time zone), time of creation.
    noon = NOON.replace(tzinfo=None)
    assert sorted(rows) == [
        (1, 20, noon - HOUR, NOON - HOUR / 2),
        (2, 30, noon - 2 * HOUR, NOON + HOUR),
    ]
    everything = StreamflowOfflineStore.pull_all_from_table_or_query(
        pair.ours.config, query("trips"), ["driver_id"], ["trips"], "moment", "made"
    )
    rows = pair.connection.execute(everything.to_sql()).fetchall()
    assert len(rows) == everything.to_arrow().num_rows == 4


def test_what_is_not_supported_says_what_to_use(pair: Pair, job: Any, tmp_path: Path) -> None:
    offline = StreamflowOfflineStore
    online = pair.ours._get_provider().online_store
    calls: list[tuple[Any, list[Any], str]] = [
        (offline.offline_write_batch, [None] * 4, "streamflow run DIR"),
        (offline.write_logged_features, [None] * 5, "streamflow.prediction_log"),
        (offline.ensure_monitoring_tables, [None], "streamflow monitor"),
        (offline.save_monitoring_metrics, [None] * 3, "streamflow monitor"),
        (offline.query_monitoring_metrics, [None] * 3, "streamflow monitor"),
        (offline.clear_monitoring_baseline, [None] * 2, "streamflow monitor"),
        (online.retrieve_online_documents, [None] * 5, "vector database"),
        (online.retrieve_online_documents_v2, [None] * 5, "vector database"),
        (job.to_remote_storage, [], "to_arrow"),
    ]
    for method, arguments, remedy in calls:
        with pytest.raises(FeastUnsupported, match=remedy):
            method(*arguments)
