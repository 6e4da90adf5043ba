"""The engine, on a real Sail server: its session, the join in Spark SQL, and work on its workers.

They are in one file, so that one process imports Spark's client and one server is started.
"""

from __future__ import annotations

import builtins
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from types import ModuleType
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal
from support.spark_servers import sail_server

from streamflow.errors import EngineFailed, EngineUnavailable, PackagesMissing, SettingsInvalid
from streamflow.features import point_in_time_join as local
from streamflow.settings import load_settings
from streamflow.spark import mapping, session
from streamflow.spark.mapping import Tasks, make_rows, map_rows
from streamflow.spark.point_in_time import DropRevision, JoinedView, PointInTimeJoin, SentRevisions
from streamflow.spark.session import SparkEngine, open_engine
from streamflow.steps.upkeep.doctor.engine import check_engine
from streamflow.steps.upkeep.doctor.finding import State, run_check

ROWS = pl.DataFrame(
    {
        "k": ["a", "ü'`\"\\;--", None],
        "number": [1, None, -(2**63)],
        "float": [0.1 + 0.2, None, -0.0],
        "flag": [True, None, False],
    },
    schema={"k": pl.String, "number": pl.Int64, "float": pl.Float64, "flag": pl.Boolean},
)
AS_OF = datetime(2024, 6, 30, tzinfo=UTC)
INSTANT_TYPE = pl.Datetime("us", "UTC")
# `Fee` and `fee` are one name for Spark SQL; the third one would end a quoted name.
FEATURES = {"fee": pl.Float64, "Fee": pl.Int64, 'a`b"; --': pl.String, "flag": pl.Boolean}
DAYS = (0, 30, 61)  # before AS_OF
KEYS = 200
MAPPED_COLUMNS = {
    "text": pa.string(),
    "whole": pa.int64(),
    "real": pa.float64(),
    "small": pa.int32(),
}
NUMBERS = pl.DataFrame({"n": [1, 2, None]})


@pytest.fixture(scope="module")
def remote() -> Iterator[str]:
    with sail_server() as address:
        yield address


@pytest.fixture(scope="module")
def engine(remote: str) -> Iterator[SparkEngine]:
    with closing(open_engine(remote)) as opened:
        yield opened


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_rows_come_back_as_they_were_sent(remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "ROWS_PER_MESSAGE", 2)  # so that they are sent in two messages
    with closing(open_engine(remote)) as engine:
        name = engine.send(ROWS)
        empty = engine.send(ROWS.clear())
        returned = engine.read(engine.query(f"SELECT * FROM {name}"))
        assert engine.read(engine.query(f"SELECT * FROM {empty}")).is_empty()
    assert_frame_equal(returned, ROWS, check_row_order=False)
    with closing(open_engine(remote)) as engine, pytest.raises(EngineFailed, match=name):
        engine.read(engine.query(f"SELECT * FROM {name}"))  # the rows are gone from the server


def test_a_server_that_is_not_there_is_named_at_once() -> None:
    port = free_port()
    with pytest.raises(
        EngineUnavailable, match=f"no Spark Connect server answers at 127.0.0.1:{port}"
    ):
        open_engine(f"sc://127.0.0.1:{port}")


def test_a_server_that_is_not_spark_refuses() -> None:
    # Its handler does nothing, so that each connection is closed at once.
    with ThreadingTCPServer(("127.0.0.1", 0), BaseRequestHandler) as foreign:
        Thread(target=foreign.serve_forever, daemon=True).start()
        with pytest.raises(EngineUnavailable, match="refuses the session"):
            open_engine(f"sc://127.0.0.1:{foreign.server_address[1]}")
        foreign.shutdown()


def test_a_server_of_an_older_spark_is_refused(
    remote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MAJOR_VERSION", "5")
    with pytest.raises(EngineUnavailable, match=r"is Spark 4\..*, and streamflow needs Spark 5"):
        open_engine(remote)


def test_a_server_that_goes_away_is_named() -> None:
    with sail_server() as address:
        engine = open_engine(address)
    with pytest.raises(EngineUnavailable, match="no longer answers"):
        engine.read(engine.query("SELECT 1"))
    engine.close()


def test_without_the_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *arguments: Any, **named: Any) -> ModuleType:
        if name.partition(".")[0] == "pyspark":
            raise ModuleNotFoundError(name=name)
        return original(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(PackagesMissing, match=r"streamflow-churn\[spark\]"):
        open_engine("sc://127.0.0.1:1")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"engine": "spark"}, "spark needs spark_remote"),
        ({"engine": "dask"}, "engine"),
        ({"spark_remote": "http://host:15002"}, "expected an address such as sc://host:15002"),
        ({"spark_remote": "sc://"}, "expected an address such as sc://host:15002"),
        ({"spark_remote": "sc://host:99999"}, "the port of the address"),
        ({"spark_remote": "sc://host/;token=my secret"}, "an address has no blanks"),
        ({"spark_remote": "sc://host;token=my-secret"}, "expected an address such as"),
        ({"spark_remote": "sc://host/token=my-secret"}, "expected an address such as"),
        ({"spark_remote": "sc://host/;my-secret"}, "expected an address such as"),
        ({"spark_remote": "sc://host/;token=my-secret=="}, "expected an address such as"),
        ({"spark_remote": "sc://host/;token=my-secret/a"}, "expected an address such as"),
        ({"spark_remote": "sc://my-secret@host"}, "expected an address such as"),
    ],
)
def test_a_wrong_setting_is_refused_without_showing_a_token(
    values: Mapping[str, str], expected: str
) -> None:
    with pytest.raises(SettingsInvalid, match=expected) as refused:
        load_settings(**values)
    assert not re.search("my.secret", str(refused.value))


@pytest.mark.parametrize(
    "address",
    ["sc://h", "sc://h-1.b:443/", "sc://h:443/;token=a%2Fb%3D;use_ssl=true", "sc://10.0.0.1:1"],
)
def test_an_address_with_parameters_is_a_setting(address: str) -> None:
    settings = load_settings(engine="spark", spark_remote=address)
    assert settings.spark_remote is not None
    assert settings.spark_remote.get_secret_value() == address


def test_doctor_says_which_engine_answers(remote: str) -> None:
    assert check_engine(load_settings()).text == "local"
    settings = load_settings(engine="spark", spark_remote=remote)
    finding = check_engine(settings)
    assert (finding.state, finding.text[:8]) == (State.OK, "Spark 4.")
    port = free_port()
    absent = load_settings(engine="spark", spark_remote=f"sc://127.0.0.1:{port}/;token=a-secret")
    finding = run_check("engine", lambda: check_engine(absent))
    assert finding.state is State.WRONG
    assert f"127.0.0.1:{port}" in finding.text
    assert "a-secret" not in finding.text + finding.remedy


def draw_history(seed: int) -> dict[DropRevision, pl.DataFrame]:
    """Revisions with nulls, in each of which a third of the keys is missing."""
    draws = np.random.default_rng(seed)
    history = {}
    for number, days in enumerate(DAYS, start=1):
        rows = pl.DataFrame(
            {
                "user": [f"ü{i}" for i in range(KEYS)],
                "fee": draws.normal(size=KEYS) / 3,
                "Fee": draws.integers(-(2**62), 2**62, KEYS),
                'a`b"; --': [f"'{value}\\" for value in draws.integers(0, 9, KEYS)],
                "flag": draws.random(KEYS) < 0.5,
            }
        )
        for name in FEATURES:
            is_null = pl.Series(draws.random(KEYS) < 0.2)
            rows = rows.with_columns(pl.when(~is_null).then(pl.col(name)).alias(name))
        history[AS_OF - timedelta(days=days), number] = rows.filter(draws.random(KEYS) < 2 / 3)
    return history


def test_the_join_has_the_values_of_polars(engine: SparkEngine) -> None:
    history = draw_history(1)
    reads: list[DropRevision] = []

    def read(table: str, columns: list[str], revision: DropRevision) -> pl.DataFrame:
        assert table == "usage"
        reads.append(revision)
        return history[revision].select(columns)

    # Keys that come twice, in no order, and one that no revision has.
    keys = pl.Series("user", ["nobody", *(f"ü{i % KEYS}" for i in range(3 * KEYS, 0, -2))])
    sent = SentRevisions(engine, "user", read)
    join = PointInTimeJoin(engine, pl.String, sent.find_table)
    for revisions in pairwise([*history, None]):
        chosen = tuple(revision for revision in revisions if revision is not None)
        view = JoinedView(table="usage", features=FEATURES, revisions=chosen)
        joined = join.join(keys, [view])
        assert_frame_equal(joined, join_in_polars(keys, history, chosen))
        assert 0 < joined["flag"].null_count() < len(keys)
    assert sorted(reads) == sorted(history)  # each one was sent once


def join_in_polars(
    keys: pl.Series, history: dict[DropRevision, pl.DataFrame], chosen: tuple[DropRevision, ...]
) -> pl.DataFrame:
    rows = [
        history[revision].with_columns(pl.lit(revision[0]).cast(INSTANT_TYPE).alias(local.AS_OF))
        for revision in chosen
    ]
    instant = pl.lit(AS_OF).cast(INSTANT_TYPE)
    entities = pl.DataFrame({"user": keys}).with_columns(instant.alias(local.INSTANT))
    return local.point_in_time_join(entities, pl.concat(rows), keys=["user"], ttl=None)


def test_a_view_without_a_revision_has_nulls_of_its_types(engine: SparkEngine) -> None:
    full = JoinedView(table="usage", features={"fee": pl.Float64}, revisions=((AS_OF, 1),))
    empty = JoinedView(table="plans", features={"Fee": pl.Int64, "s": pl.String}, revisions=())
    rows = pl.DataFrame({"user": [2**62, 7], "fee": [0.1, None]})
    sent = SentRevisions(engine, "user", lambda _table, columns, _revision: rows.select(columns))
    join = PointInTimeJoin(engine, pl.Int64, sent.find_table)
    joined = join.join(pl.Series("user", [7, 2**62]), [empty, full])
    expected = {"Fee": [None, None], "s": [None, None], "fee": [None, 0.1]}
    types = {"Fee": pl.Int64, "s": pl.String, "fee": pl.Float64}
    assert_frame_equal(joined, pl.DataFrame(expected, schema=types))


def test_no_key_gives_no_row(engine: SparkEngine) -> None:
    view = JoinedView(table="plans", features={"fee": pl.Float64}, revisions=())
    sent = SentRevisions(engine, "user", lambda *_: pl.DataFrame())
    join = PointInTimeJoin(engine, pl.String, sent.find_table)
    assert join.join(pl.Series("user", [], pl.String), [view]).shape == (0, 1)


def test_each_type_and_its_null_comes_back(engine: SparkEngine) -> None:
    def compute(rows: pl.DataFrame) -> pl.DataFrame:
        number = pl.col("n")
        return rows.select(
            text=number.cast(pl.String), whole=number, real=number / 3, small=number.cast(pl.Int32)
        )

    mapped = map_rows(engine, f"SELECT * FROM {engine.send(NUMBERS)}", compute, MAPPED_COLUMNS)
    assert engine.read(mapped).sort("whole").equals(compute(NUMBERS).sort("whole"))


def test_rows_are_divided_into_tasks_by_their_key(engine: SparkEngine) -> None:
    def name_call(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select("user", call=pl.lit(uuid4().hex))

    users = pl.DataFrame({"user": [f"u{number % 200}" for number in range(400)]})
    columns = {"user": pa.string(), "call": pa.string()}
    statement = f"SELECT * FROM {engine.send(users)}"
    calls = engine.read(map_rows(engine, statement, name_call, columns, tasks=Tasks(4, "user")))
    assert calls["user"].sort().equals(users["user"].sort())
    assert calls["call"].n_unique() == 4
    assert calls.group_by("user").agg(pl.col("call").n_unique())["call"].to_list() == [1] * 200


def test_workers_make_rows_for_each_number(engine: SparkEngine) -> None:
    def make(number: int) -> Iterator[pa.RecordBatch]:
        for part in range(2):
            rows = pa.table({"n": [number] * 3, "b": [bytes([number, part])] * 3})
            yield from rows.to_batches()

    columns = {"n": pa.int64(), "b": pa.binary()}
    table = engine.name(make_rows(engine, make, 5, columns))
    statement = f"SELECT n, collect_list(b) AS b FROM {table} GROUP BY n"
    grouped = engine.read(engine.query(statement)).sort("n")
    assert grouped["n"].to_list() == [0, 1, 2, 3, 4]
    for number, contents in grouped.iter_rows():
        assert sorted(contents) == sorted([bytes([number, 0]), bytes([number, 1])] * 3)


def test_an_error_on_a_worker_says_what_it_was(engine: SparkEngine) -> None:
    def compute(rows: pl.DataFrame) -> pl.DataFrame:
        raise ValueError("the reason, " * 9 + "and its end")

    mapped = map_rows(engine, f"SELECT * FROM {engine.send(NUMBERS)}", compute, MAPPED_COLUMNS)
    with pytest.raises(EngineFailed, match="the reason, and its end"):
        engine.read(mapped)


def test_a_function_that_is_too_large_is_not_sent(
    engine: SparkEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "MAX_FUNCTION_BYTES", 10)
    with pytest.raises(EngineFailed, match="Use --engine local, or train a smaller model"):
        map_rows(engine, "SELECT 1", lambda rows: rows, MAPPED_COLUMNS)
