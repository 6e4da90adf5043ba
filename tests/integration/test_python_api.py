"""The Python API on a real database: steps, what a call leaves in the process, and Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import mlflow
import pandas as pd
import polars as pl
import pytest
from conftest import CHEAP, Cluster
from support.states import JANUARY_SERVED

import streamflow as sf
from streamflow.errors import NotMigrated, SettingsInvalid, VersionMissing

JANUARY, FEBRUARY = "2024-01-31", "2024-02-29"
Opened = Callable[..., sf.Installation]


@pytest.fixture
def opened(cluster: Cluster, installation: str, tmp_path: Path) -> Iterator[Opened]:
    """Open the test's installation by the Python API, with these settings."""
    with ExitStack() as closing:

        def open_it(**changes: Any) -> sf.Installation:
            settings = cluster.settings(installation, tmp_path / "home")
            values = {
                "database_url": settings.database_url,
                "mlflow_database": settings.mlflow_database,
                **CHEAP,
                "trees": 10,
                **changes,
            }
            return closing.enter_context(sf.open(tmp_path / "home", **values))

        yield open_it


def read_tables(folder: Path) -> dict[str, pl.DataFrame]:
    """Return the tables of a simulated drop as frames."""
    return {path.stem: pl.read_csv(path) for path in sorted(folder.glob("*.csv"))}


def test_a_drop_may_be_frames_of_polars_or_pandas(opened: Opened, simulated_drops: Path) -> None:
    churn = opened()
    tables = read_tables(simulated_drops / "month_000")
    pandas_tables = {table: frame.to_pandas() for table, frame in tables.items()}
    first = churn.ingest(tables, JANUARY)
    assert (first.changed, first.rejected) == (True, 0)
    frozen = churn.snapshot(JANUARY)
    # The same rows from the files have the same digests, so nothing is frozen again.
    churn.ingest(simulated_drops / "month_000", JANUARY)
    assert not any(table.created for table in churn.snapshot(JANUARY).tables)
    churn.ingest(pandas_tables, JANUARY)
    assert not any(table.created for table in churn.snapshot(JANUARY).tables)
    assert {table.rows for table in frozen.tables} == {len(tables["users"])}
    assert not list((churn.home / "tmp").glob("scratch-*"))


def test_mistakes_in_frames_are_named(opened: Opened, simulated_drops: Path) -> None:
    churn = opened()
    tables = read_tables(simulated_drops / "month_000")
    with pytest.raises(ValueError, match="the catalog has no table people; its tables are users"):
        churn.ingest({"people": tables["users"]}, JANUARY)
    bad = tables["subscriptions"].with_columns(tenure_months=pl.lit(-3))
    with pytest.raises(sf.errors.ContractViolation, match="column 'tenure_months': expected"):
        churn.ingest({**tables, "subscriptions": bad}, JANUARY)
    with pytest.raises(sf.errors.SnapshotMissing):
        churn.training_set(JANUARY)


@pytest.mark.state(JANUARY_SERVED)
def test_the_steps_return_their_receipts(opened: Opened) -> None:
    churn = opened()
    rows = churn.training_set(JANUARY)
    assert rows.frame.columns == [rows.key, *rows.features, rows.label]
    key = rows.frame[rows.key][0]
    answer = churn.predict(key)
    reasons = churn.explain(key)
    assert reasons.probability == pytest.approx(answer.probability)
    receipt = churn.score(JANUARY, explain=True)
    scores = churn.scores(receipt)
    assert scores.columns[:3] == [rows.key, "prediction", "probability"]
    assert len(scores) == receipt.run.rows == len(rows.frame)
    assert scores.filter(pl.col(rows.key) == key)["probability"][0] == pytest.approx(
        answer.probability
    )
    verdict = churn.gate(1)
    assert verdict.decision == "no change", "it is in Production"
    versions = churn.models()
    assert versions["version"].to_list() == [1]
    assert versions["stage"].to_list() == ["Production"]
    assert 0.5 < versions["auc"][0] <= 1
    for shown in (rows, answer, reasons, receipt, verdict):
        assert "<table>" in shown._repr_html_()


@pytest.mark.state(JANUARY_SERVED)
def test_a_call_leaves_the_process_as_it_was(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "a-server-of-the-user")
    churn = opened()
    own_address = f"sqlite:///{tmp_path}/own.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own_address)
    mlflow.set_tracking_uri(own_address)
    before = dict(os.environ)
    umask = os.umask(0o002)
    try:
        churn.models()
        assert os.umask(umask) == 0o002
        assert dict(os.environ) == before
        assert mlflow.get_tracking_uri() == own_address
        with churn.environment() as variables:
            versions = mlflow.MlflowClient().search_model_versions()
            assert os.environ["PGHOST"] == variables["PGHOST"] != "a-server-of-the-user"
        assert dict(os.environ) == before
        assert [version.version for version in versions] == [1]
        assert mlflow.get_tracking_uri() == own_address
    finally:
        os.umask(umask)
        mlflow.set_tracking_uri(None)


def test_settings_are_arguments(opened: Opened) -> None:
    with pytest.raises(SettingsInvalid, match="setting 'treees'"):
        sf.open("home", treees=3)
    with pytest.raises(SettingsInvalid, match="setting 'model': Input should be"):
        opened().train(JANUARY, model="oracle")
    with pytest.raises(ValueError, match="a forced promotion needs a reason"):
        opened().promote(1, force=True)
    with pytest.raises(VersionMissing):
        opened().promote(1)


def test_nothing_is_made_before_the_first_drop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    churn = sf.open("state")
    monkeypatch.chdir("/")
    assert churn.home == tmp_path / "state"
    with pytest.raises(NotMigrated, match="there is no installation"):
        churn.models()
    assert not churn.home.exists()
    churn.close()
    assert "closed" in repr(churn)
    with pytest.raises(sf.StreamflowError, match=r"was closed\n.*Call streamflow.open\(\) again"):
        churn.models()


@pytest.mark.state(JANUARY_SERVED)
def test_ctrl_c_leaves_no_half_state(opened: Opened) -> None:
    def interrupt(line: str) -> None:
        if line.startswith("entering the run"):
            raise KeyboardInterrupt

    churn = opened(notify=interrupt)
    before = dict(os.environ)
    with pytest.raises(KeyboardInterrupt):
        churn.score(JANUARY)
    assert dict(os.environ) == before
    again = opened()
    receipt = again.score(JANUARY)
    assert receipt.new
    assert len(again.scores(receipt)) == receipt.run.rows
    # What was computed is found again; the interrupted call works from then on.
    assert not churn.score(JANUARY).new


@pytest.mark.state(JANUARY_SERVED)
def test_two_installations_and_two_threads_do_not_mix(
    opened: Opened, cluster: Cluster, tmp_path: Path, simulated_drops: Path
) -> None:
    """One has January and a version, the second nothing but February's rows."""
    name = f"sf_second_{uuid4().hex[:12]}"
    cluster.clone(name)
    second_settings = cluster.settings(name, tmp_path / "second")
    first = opened()
    seen: dict[str, list[Any]] = {"first": [], "second": []}

    def watch_first() -> None:
        for _ in range(3):
            seen["first"].append(first.models()["version"].to_list())

    with sf.open(
        tmp_path / "second",
        database_url=second_settings.database_url,
        mlflow_database=second_settings.mlflow_database,
        **CHEAP,
    ) as second:
        thread = Thread(target=watch_first)
        thread.start()
        second.ingest(simulated_drops / "month_001", FEBRUARY)
        second.snapshot(FEBRUARY)
        seen["second"] += [second.models()["version"].to_list()]
        thread.join()
        with pytest.raises(sf.errors.SnapshotMissing):
            second.training_set(JANUARY)
        with pytest.raises(sf.errors.SnapshotMissing):
            first.training_set(FEBRUARY)
    cluster.drop(name)
    assert seen == {"first": [[1]] * 3, "second": [[]]}


def test_a_frame_with_an_index_is_refused_by_its_missing_key(
    opened: Opened, simulated_drops: Path
) -> None:
    tables: dict[str, Any] = {**read_tables(simulated_drops / "month_000")}
    users: pd.DataFrame = tables["users"].to_pandas()
    tables["users"] = users.set_index(users.columns[0])
    with pytest.raises(sf.errors.ContractViolation, match="column 'user_id': expected"):
        opened().ingest(tables, JANUARY)
