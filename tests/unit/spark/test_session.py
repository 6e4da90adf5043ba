"""A session with a real Sail server, and with servers that are not there or refuse."""

from __future__ import annotations

import builtins
import socket
from collections.abc import Mapping
from contextlib import closing
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.spark_servers import sail_server

from streamflow.errors import EngineFailed, EngineUnavailable, PackagesMissing, SettingsInvalid
from streamflow.settings import load_settings
from streamflow.spark import session
from streamflow.spark.session import open_engine
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


@pytest.fixture(scope="module")
def remote() -> Any:
    with sail_server() as address:
        yield address


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
    ],
)
def test_a_wrong_setting_is_refused_without_showing_a_token(
    values: Mapping[str, str], expected: str
) -> None:
    with pytest.raises(SettingsInvalid, match=expected) as refused:
        load_settings(**values)
    assert "my secret" not in str(refused.value)


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
