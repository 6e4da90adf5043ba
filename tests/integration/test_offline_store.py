"""The offline store against the pandas oracle of STYLE.md and Feast's own PostgreSQL store."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa
import pytest
from feast import FeatureStore, FeatureView, Field, RepoConfig
from feast.types import Int64, String
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.frozen import (
    create_catalog_tables,
    freeze,
    fresh_database,
    instant,
    pg_environment,
    stock_store_options,
    tiny_catalog,
)
from support.processes import wait_for

from streamflow.catalog import Catalog, load_catalog
from streamflow.database import Address
from streamflow.features import history_rows
from streamflow.features.offline import StreamflowOfflineStore
from streamflow.features.repository import FeatureRepository
from streamflow.warehouse.frozen import lock_for_writing

PLAN = ["tenure", "fee", "paperless", "net"]
REFS = [f"plan_fv:{name}" for name in PLAN] + ["usage_fv:hours"]
TTL = {"plan": timedelta(days=62), "usage": timedelta(days=31)}
MICROSECOND = timedelta(microseconds=1)
FIRST = instant("2024-01-31")


class Tiny(NamedTuple):
    """A database with the tiny catalog applied."""

    connection: psycopg.Connection
    store: FeatureStore


class Revision(NamedTuple):
    """One frozen content: rows by key."""

    table: str
    as_of: datetime
    known_at: datetime
    rows: dict[str, tuple[Any, ...]]


@pytest.fixture
def tiny(tiny_database: tuple[Tiny, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The histories of the tiny catalog, and Feast over them."""
    for name, value in tiny_database[1].items():
        monkeypatch.setenv(name, value)
    return tiny_database[0]


@pytest.fixture(scope="module")
def tiny_database(
    server: Address, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Tiny, dict[str, str]]]:
    """One database for all tests of this file, and the PG* that name it."""
    with fresh_database(server) as connection:
        create_catalog_tables(connection, tiny_catalog())
        repository = FeatureRepository(tmp_path_factory.mktemp("repository"), tiny_catalog())
        repository.write({})
        repository.apply()
        store = FeatureStore(repo_path=str(repository.folder))
        yield Tiny(connection, store), pg_environment()
        store.registry.write_engine.dispose()
        repository.close()


def fill(connection: psycopg.Connection, revisions: list[Revision]) -> None:
    """Make these revisions the whole history."""
    connection.execute("TRUNCATE frozen.plan, frozen.usage, streamflow.revision")
    for table, as_of, known_at, rows in revisions:
        columns = ["user_id", *(PLAN if table == "plan" else ["hours"])]
        freeze(
            connection,
            table,
            as_of,
            known_at,
            columns,
            [(key, *values) for key, values in rows.items()],
        )


# --- the oracle -----------------------------------------------------------------------


def point_in_time_join(
    entities: pd.DataFrame, view: pd.DataFrame, *, key: str, ttl: timedelta, known_by: datetime
) -> pd.DataFrame:
    """STYLE.md, word for word."""
    known = (
        view[view.known_at <= known_by]
        .sort_values("known_at")
        .drop_duplicates([key, "as_of"], keep="last")
    )
    ordered = entities.reset_index(drop=True).rename_axis("row").reset_index().sort_values("as_of")
    joined = pd.merge_asof(ordered, known.sort_values("as_of"), on="as_of", by=key, tolerance=ttl)
    return joined.set_index("row").sort_index().reset_index(drop=True)


def expected(
    revisions: list[Revision], asked: list[tuple[str, datetime, datetime]], table: str
) -> list[tuple[Any, ...]]:
    """The features of `table` for each request row.

    The oracle joins the number of a row, and the row is then read by this number.
    """
    width = len(PLAN) if table == "plan" else 1
    stored = [
        (r, key, values) for r in revisions if r.table == table for key, values in r.rows.items()
    ]
    if not stored:
        return [(None,) * width] * len(asked)
    times = {"as_of": "datetime64[us, UTC]", "known_at": "datetime64[us, UTC]"}
    view = pd.DataFrame(
        [(key, r.as_of, r.known_at, n) for n, (r, key, _) in enumerate(stored)],
        columns=["user_id", "as_of", "known_at", "n"],
    ).astype(times)
    answer: list[tuple[Any, ...]] = [(None,) * width] * len(asked)
    for known_by in {row[2] for row in asked}:
        places = [i for i, row in enumerate(asked) if row[2] == known_by]
        entities = pd.DataFrame(
            [asked[i][:2] for i in places], columns=["user_id", "as_of"]
        ).astype({"as_of": times["as_of"]})
        joined = point_in_time_join(
            entities, view, key="user_id", ttl=TTL[table], known_by=pd.Timestamp(known_by)
        )
        for place, n in zip(places, joined["n"], strict=True):
            answer[place] = answer[place] if pd.isna(n) else stored[int(n)][2]
    return answer


KEYS = st.sampled_from(["a", "b", "c", "Zoë"])
AS_OF = st.sampled_from(
    [FIRST, instant("2024-02-29"), instant("2024-03-31"), FIRST + timedelta(days=62)]
)
AROUND = st.sampled_from([-MICROSECOND, timedelta(0), MICROSECOND, timedelta(days=7)])
VALUES = {
    "plan": st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.booleans(),
        st.none()
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
    ),
    "usage": st.tuples(st.none() | st.floats(allow_nan=False)),
}


@st.composite
def histories(draw: st.DrawFn) -> list[Revision]:
    """Revisions of both tables; a correction changes and adds rows, and takes none away."""
    revisions = []
    for table in ("plan", "usage"):
        for as_of in draw(st.sets(AS_OF)):
            rows: dict[str, tuple[Any, ...]] = {}
            known_at = as_of
            for _ in range(draw(st.integers(1, 3))):
                known_at += draw(
                    st.sampled_from([MICROSECOND, timedelta(days=1), timedelta(days=40)])
                )
                rows = rows | draw(st.dictionaries(KEYS, VALUES[table], min_size=1))
                revisions.append(Revision(table, as_of, known_at, rows))
    return revisions


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[Revision], list[tuple[str, datetime, datetime]]]:
    """A history, and request rows at and around its instants, ends of ttl and new revisions."""
    revisions = draw(histories())
    instants = [FIRST] + [
        r.as_of + span for r in revisions for span in (timedelta(0), TTL[r.table])
    ]
    knowledge = [FIRST] + [r.known_at for r in revisions]
    at, known = (
        st.builds(lambda t, d: t + d, st.sampled_from(times), AROUND)
        for times in (instants, knowledge)
    )
    known = st.just(draw(known)) if draw(st.booleans()) else known
    return revisions, draw(
        st.lists(st.tuples(KEYS | st.just("nobody"), at, known), min_size=1, max_size=12)
    )


def asking(rows: list[tuple[str, datetime, datetime]]) -> pd.DataFrame:
    """An entity frame of (key, event_timestamp, known_at)."""
    frame = pd.DataFrame(rows, columns=["user_id", "event_timestamp", "known_at"])
    times = ["event_timestamp", "known_at"]
    return frame.assign(
        **{c: pd.to_datetime(frame[c], utc=True).astype("datetime64[us, UTC]") for c in times}
    )


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(question=questions())
def test_equal_to_the_pandas_oracle(
    tiny: Tiny, question: tuple[list[Revision], list[tuple[str, datetime, datetime]]]
) -> None:
    revisions, asked = question
    fill(tiny.connection, revisions)
    answer = tiny.store.get_historical_features(entity_df=asking(asked), features=REFS).to_arrow()
    assert (
        list(
            zip(
                *(answer[c].to_pylist() for c in ("user_id", "event_timestamp", "known_at")),
                strict=True,
            )
        )
        == asked
    )
    assert list(zip(*(answer[c].to_pylist() for c in PLAN), strict=True)) == expected(
        revisions, asked, "plan"
    )
    assert list(zip(answer["hours"].to_pylist())) == expected(revisions, asked, "usage")
    assert [str(answer.schema.field(c).type) for c in [*PLAN, "hours"]] == [
        "int64",
        "double",
        "bool",
        "string",
        "double",
    ]


# --- one property each ----------------------------------------------------------------


def tenures(tiny: Tiny, entity_df: Any) -> list[Any]:
    job = tiny.store.get_historical_features(entity_df=entity_df, features=["plan_fv:tenure"])
    answer: list[Any] = job.to_arrow()["tenure"].to_pylist()
    return answer


def plan(as_of: str, known_at: str, **tenure: int) -> Revision:
    return Revision(
        "plan",
        instant(as_of),
        instant(known_at),
        {key: (n, None, None, None) for key, n in tenure.items()},
    )


def test_a_user_that_a_correction_removes_is_gone_from_then_on(tiny: Tiny) -> None:
    fill(
        tiny.connection,
        [plan("2024-01-31", "2024-02-01", a=1, b=2), plan("2024-01-31", "2024-02-10", a=3)],
    )
    at = instant("2024-02-01")
    before, after = instant("2024-02-09"), instant("2024-02-10")
    assert tenures(
        tiny, asking([("a", at, before), ("b", at, before), ("a", at, after), ("b", at, after)])
    ) == [1, 2, 3, None]


def test_a_removed_user_falls_back_to_an_older_drop_within_ttl(tiny: Tiny) -> None:
    fill(
        tiny.connection,
        [
            plan("2024-01-31", "2024-02-01", b=1),
            plan("2024-02-29", "2024-03-01", b=2),
            plan("2024-02-29", "2024-03-02", a=9),
        ],
    )
    assert tenures(tiny, asking([("b", instant("2024-03-05"), instant("2024-03-05"))])) == [1]


def test_without_known_at_everything_known_now_counts(tiny: Tiny) -> None:
    ahead = datetime.now(UTC) + timedelta(
        days=1
    )  # a known_at may run ahead of the clock by microseconds: still known
    fill(
        tiny.connection,
        [plan("2024-01-31", "2024-02-01", a=1), plan("2024-01-31", ahead.isoformat()[:19], a=2)],
    )
    assert tenures(tiny, asking([("a", FIRST, FIRST)]).drop(columns="known_at")) == [2]
    assert tenures(tiny, asking([("a", FIRST, pd.NaT), ("a", FIRST, instant("2024-02-01"))])) == [
        2,
        1,
    ]  # type: ignore[list-item]


def test_a_read_without_known_at_waits_for_a_writer(tiny: Tiny) -> None:
    """The writer has chosen a known_at and has not committed: such a read must not miss it."""
    locks = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    )
    waiting = f"{locks} AND NOT granted"
    fill(tiny.connection, [plan("2024-01-31", "2024-02-01", a=1)])
    with ThreadPoolExecutor(1) as pool, psycopg.connect("") as writer:
        lock_for_writing(writer)
        freeze(writer, "plan", FIRST, datetime.now(UTC), ["user_id", "tenure"], [("a", 2)])
        entities = asking([("a", FIRST, FIRST)]).drop(columns="known_at")
        answer = pool.submit(tenures, tiny, entities)
        assert wait_for(lambda: tiny.connection.execute(waiting).fetchone() == (1,))
        assert not answer.done()
        writer.commit()
        assert answer.result(timeout=30) == [2]
    assert tiny.connection.execute(locks).fetchone() == (0,)


def test_naive_instants_and_text_are_utc(tiny: Tiny) -> None:
    fill(tiny.connection, [plan("2024-01-31", "2024-02-01", a=1)])
    naive = pd.DataFrame(
        {
            "user_id": ["a", "a"],
            "event_timestamp": [datetime(2024, 1, 31), datetime(2024, 1, 30, 23, 59)],
        }
    )
    answer = tiny.store.get_historical_features(
        entity_df=naive, features=["plan_fv:tenure"]
    ).to_arrow()
    assert answer["tenure"].to_pylist() == [1, None]
    assert answer.schema.field("event_timestamp").type == pa.timestamp("us", tz="UTC")
    text = pd.DataFrame({"user_id": ["a"], "event_timestamp": ["2024-01-31T01:00:00+01:00"]})
    assert tenures(tiny, text) == [1]


def test_the_entity_frame_may_be_sql(tiny: Tiny) -> None:
    fill(tiny.connection, [plan("2024-01-31", "2024-02-01", a=1, b=2)])
    query = (
        "SELECT user_id, as_of + interval '1 day' AS event_timestamp, 'x' AS extra"
        " FROM history.plan ORDER BY user_id DESC;"
    )
    answer = tiny.store.get_historical_features(
        entity_df=query, features=["plan_fv:tenure"]
    ).to_arrow()
    assert answer.column_names == ["user_id", "event_timestamp", "extra", "tenure"]
    assert answer["tenure"].to_pylist() == [2, 1]
    commented = query.removesuffix(";") + " -- the newest first"
    assert tiny.store.get_historical_features(
        entity_df=commented, features=["plan_fv:tenure"]
    ).to_arrow()["tenure"].to_pylist() == [2, 1]


def test_without_an_entity_frame_every_row_of_the_period_is_asked(tiny: Tiny) -> None:
    fill(
        tiny.connection,
        [plan("2024-01-31", "2024-02-01", a=1), plan("2024-02-29", "2024-03-01", a=2, b=3)],
    )
    job = tiny.store.get_historical_features(
        features=["plan_fv:tenure"],
        start_date=instant("2024-02-01"),
        end_date=instant("2024-03-01"),
    )
    assert sorted(job.to_df()[["user_id", "tenure"]].itertuples(index=False, name=None)) == [
        ("a", 2),
        ("b", 3),
    ]


def test_full_feature_names_and_a_column_that_stands_twice(tiny: Tiny) -> None:
    fill(tiny.connection, [plan("2024-01-31", "2024-02-01", a=1)])
    frame = asking([("a", FIRST, FIRST + timedelta(days=9))]).assign(tenure=7)
    answer = tiny.store.get_historical_features(
        entity_df=frame, features=["plan_fv:tenure"], full_feature_names=True
    ).to_df()
    assert answer[["tenure", "plan_fv__tenure"]].to_numpy().tolist() == [[7, 1]]
    with pytest.raises(ValueError, match="there are two columns 'tenure'"):
        tenures(tiny, frame)


def test_ttl_zero_is_no_limit_and_integers_are_exact(tiny: Tiny) -> None:
    fill(tiny.connection, [plan("2014-01-31", "2014-02-01", a=2**53 + 1)])
    source = tiny.store.get_feature_view("plan_fv").batch_source
    entity = tiny.store.get_entity("user")
    fields = [Field(name="user_id", dtype=String), Field(name="tenure", dtype=Int64)]
    view = FeatureView(
        name="plan_fv", entities=[entity], ttl=timedelta(0), schema=fields, source=source
    )
    job = StreamflowOfflineStore.get_historical_features(
        tiny.store.config,
        [view],
        ["plan_fv:tenure"],
        asking([("a", FIRST, FIRST), ("b", FIRST, FIRST)]),
        tiny.store.registry,
        "tiny",
    )
    assert job.to_arrow()["tenure"].to_pylist() == [2**53 + 1, None]


def test_no_asking_rows_and_a_missing_instant(tiny: Tiny) -> None:
    fill(tiny.connection, [plan("2024-01-31", "2024-02-01", a=1)])
    empty = tiny.store.get_historical_features(entity_df=asking([]), features=REFS).to_arrow()
    assert (empty.num_rows, empty.schema.field("net").type) == (0, pa.string())
    with pytest.raises(ValueError, match="has no value in 1 row$"):
        tenures(tiny, asking([("a", pd.NaT, FIRST)]))  # type: ignore[list-item]
    with pytest.raises(ValueError, match="no column 'user_id'"):
        tenures(tiny, asking([("a", FIRST, FIRST)]).rename(columns={"user_id": "id"}))


def test_the_read_happens_when_the_frame_is_asked_for(tiny: Tiny) -> None:
    fill(tiny.connection, [])
    job = tiny.store.get_historical_features(
        entity_df=asking([("a", FIRST, instant("2024-02-01"))]), features=["plan_fv:tenure"]
    )
    fill(tiny.connection, [plan("2024-01-31", "2024-02-01", a=1)])
    assert job.to_arrow()["tenure"].to_pylist() == [1]


def test_pulls_are_of_what_is_known_now(tiny: Tiny) -> None:
    fill(
        tiny.connection,
        [
            plan("2024-01-31", "2024-02-01", a=1, b=2),
            plan("2024-01-31", "2024-02-02", a=3),
            plan("2024-02-29", "2024-03-01", a=4),
        ],
    )
    view = tiny.store.get_feature_view("plan_fv")
    period = {"start_date": datetime(2024, 1, 31), "end_date": instant("2024-02-29")}
    arguments: dict[str, Any] = {
        "config": tiny.store.config,
        "data_source": view.batch_source,
        "join_key_columns": ["user_id"],
        "feature_name_columns": ["tenure"],
        "timestamp_field": "as_of",
        "created_timestamp_column": "known_at",
        **period,
    }
    every = StreamflowOfflineStore.pull_all_from_table_or_query(**arguments).to_arrow()
    assert every.column_names == ["user_id", "tenure", "as_of", "known_at"]
    assert sorted(every["tenure"].to_pylist()) == [3, 4]
    newest = StreamflowOfflineStore.pull_latest_from_table_or_query(**arguments).to_arrow()
    assert newest["tenure"].to_pylist() == [4]


def test_integer_keys_few_and_many(server: Address, tmp_path: Path) -> None:
    catalog = tiny_catalog("int")
    with fresh_database(server) as connection:
        create_catalog_tables(connection, catalog)
        freeze(
            connection,
            "usage",
            FIRST,
            FIRST,
            ["user_id", "hours"],
            [(n, n / 4) for n in range(3_000)],
        )
        repository = FeatureRepository(tmp_path, catalog)
        repository.write({})
        repository.apply()
        for keys in (
            [7, -1, 7],
            list(range(2_500)),
        ):  # named to the server, and not: see MAX_LISTED_KEYS
            asked = pl.DataFrame({"user_id": keys}).with_columns(
                event_timestamp=FIRST, known_at=FIRST
            )
            hours = repository.read_history(asked, catalog.service)["hours"].to_pylist()
            assert hours == [n / 4 if n >= 0 else None for n in keys]
        repository.close()


# --- Feast's own store ----------------------------------------------------------------


def stock_store(store: FeatureStore) -> FeatureStore:
    """The same registry, read by Feast's own PostgreSQL offline store."""
    return FeatureStore(
        config=RepoConfig(
            project=store.project,
            provider="local",
            registry=store.config.registry_config,
            offline_store=stock_store_options(),
            entity_key_serialization_version=3,
        )
    )


def assert_equal_to_stock(store: FeatureStore, entities: pd.DataFrame, refs: list[str]) -> None:
    """Every row and value is equal.

    Feast's store gives no order, so its frame is sorted like ours.
    """
    entities = entities.assign(row=range(len(entities)))
    ours = store.get_historical_features(entity_df=entities, features=refs).to_arrow()
    stock = stock_store(store)
    theirs = (
        stock.get_historical_features(entity_df=entities, features=refs).to_arrow().sort_by("row")
    )
    stock.registry.write_engine.dispose()
    assert ours["row"].to_pylist() == list(range(len(entities)))
    for column in ["row", *entities.columns[:1], *(ref.split(":")[1] for ref in refs)]:
        assert ours[column].to_pylist() == theirs[column].to_pylist(), column
        assert (
            ours.schema.field(column).type == theirs.schema.field(column).type or column == "row"
        ), column


def test_equal_to_feasts_own_store_on_two_generated_months(tiny: Tiny) -> None:
    keys = [f"user{n}" for n in range(200)]
    revisions = []
    known = [
        ("2024-01-31", "2024-02-01"),
        ("2024-02-29", "2024-03-01"),
        ("2024-02-29", "2024-03-09"),
    ]
    for month, (as_of, known_at) in enumerate(known):
        rows = {
            k: (n + 1000 * month, n / 7, n % 3 == 0, None if n % 5 == 0 else f"net {n % 4}")
            for n, k in enumerate(keys)
        }
        rows = {
            k: v for n, (k, v) in enumerate(rows.items()) if (n + min(month, 1)) % 9
        }  # some have no row in a month
        revisions.append(Revision("plan", instant(as_of), instant(known_at), rows))
        hours = {k: (None if n % 6 == 0 else n / 3,) for n, k in enumerate(rows)}
        revisions.append(Revision("usage", instant(as_of), instant(known_at), hours))
    fill(tiny.connection, revisions)
    asked = [
        ("2024-01-31", 0),
        ("2024-01-30", 1),
        ("2024-02-29", 0),
        ("2024-03-31", 0),
        ("2024-04-02", 1),
        ("2024-05-01", 0),
    ]
    cross = [
        (k, instant(day) + shift * MICROSECOND)
        for day, shift in asked
        for k in [*keys, "nobody", keys[3]]
    ]
    frame = pd.DataFrame(cross, columns=["user_id", "event_timestamp"]).sample(
        frac=1, random_state=1, ignore_index=True
    )
    assert_equal_to_stock(tiny.store, frame, REFS)


def real_frame(catalog: Catalog, table: str, folder: Path) -> pl.DataFrame:
    """One file of a real drop, in the catalog's types."""
    types = {name: column.type for name, column in catalog.columns(table).items()}
    text = pl.read_csv(folder / catalog.file(table), infer_schema=False)
    kinds = {"int": pl.Int64, "float": pl.Float64, "string": pl.String}
    return text.select(
        pl.col(name).replace_strict(
            {"True": True, "False": False}, default=None, return_dtype=pl.Boolean
        )
        if kind == "bool"
        else pl.col(name).cast(kinds[kind])
        for name, kind in types.items()
    )


def test_equal_to_feasts_own_store_on_the_real_drops(
    server: Address, real_drops: Path, tmp_path: Path
) -> None:
    catalog = load_catalog(None)
    tables = sorted({view.table for view in catalog.views.values()})
    with fresh_database(server) as connection:
        create_catalog_tables(connection, catalog)
        for table in tables:
            for month, as_of, known_at in [
                ("month_000", "2024-01-31", "2024-02-01"),
                ("month_001", "2024-02-29", "2024-03-01"),
            ]:
                frame = real_frame(catalog, table, real_drops / month)
                freeze(
                    connection,
                    table,
                    instant(as_of),
                    instant(known_at),
                    frame.columns,
                    frame.iter_rows(),
                )
        connection.execute("ANALYZE")
        connection.execute(
            f"ALTER DATABASE {connection.info.dbname} SET enable_nestloop = off"
        )  # Feast's query plans badly
        repository = FeatureRepository(tmp_path, catalog)
        repository.write({})
        repository.apply()
        keys = frame["user_id"].to_list()
        at = [instant("2024-02-29")] * len(keys) + [FIRST] * 2000
        asked = pd.DataFrame({"user_id": [*keys, *keys[:2000]], "event_timestamp": at})
        store = FeatureStore(repo_path=str(tmp_path))
        assert_equal_to_stock(store, asked, [feature.ref for feature in catalog.features])
        store.registry.write_engine.dispose()
        repository.close()


# --- the newest drop first ------------------------------------------------------------


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(question=questions(), most=st.sampled_from([0, 1]))
def test_the_newest_drop_first_equals_the_pandas_oracle(
    tiny: Tiny, question: tuple[list[Revision], list[tuple[str, datetime, datetime]]], most: int
) -> None:
    """Too many keys to name them, of one instant as known at one known_at: a training set."""
    revisions, rows = question
    _, instant_of_all, known_at_of_all = rows[0]
    asked = [(key, instant_of_all, known_at_of_all) for key, _, _ in rows]
    fill(tiny.connection, revisions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_rows, "MAX_LISTED_KEYS", most)
        answer = tiny.store.get_historical_features(
            entity_df=asking(asked), features=REFS
        ).to_arrow()
    plans = list(zip(*(answer[c].to_pylist() for c in PLAN), strict=True))
    assert plans == expected(revisions, asked, "plan")
    assert list(zip(answer["hours"].to_pylist())) == expected(revisions, asked, "usage")
