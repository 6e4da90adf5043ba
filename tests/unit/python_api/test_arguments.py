"""What the Python API takes as an argument."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from streamflow.catalog import load_catalog
from streamflow.errors import SettingsInvalid
from streamflow.python_api.arguments import as_polars, parse_day, parse_instant
from streamflow.python_api.drop_frames import name_files
from streamflow.python_api.installation import open_installation

JANUARY = datetime(2024, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    "day",
    [
        "2024-01-31",
        date(2024, 1, 31),
        datetime(2024, 1, 31),
        JANUARY,
        datetime(2024, 1, 31, 2, tzinfo=timezone(timedelta(hours=2))),
        pd.Timestamp("2024-01-31"),
    ],
)
def test_a_day_may_be_written_in_these_ways(day: str | date) -> None:
    assert parse_day(day) == JANUARY
    assert type(parse_day(day)) is datetime


@pytest.mark.parametrize(
    "day", ["", "January", "2024-01-31T12:00", datetime(2024, 1, 31, 12), 20240131, None]
)
def test_nothing_else_is_a_day(day: str) -> None:
    with pytest.raises(ValueError, match="expected a day such as '2024-01-31'"):
        parse_day(day)


def test_an_instant_without_a_zone_is_utc() -> None:
    assert parse_instant("2024-01-31T00:00:00Z") == JANUARY
    assert parse_instant(datetime(2024, 1, 31)) == JANUARY
    assert parse_instant(None) is None


@pytest.mark.parametrize("instant", ["2024-01-31", date(2024, 1, 31), pd.Timestamp("2024-01-31")])
def test_an_instant_may_be_a_day_and_is_a_plain_datetime(instant: str | date) -> None:
    assert parse_instant(instant) == JANUARY
    assert type(parse_instant(instant)) is datetime


@pytest.mark.parametrize("instant", ["noon", "", 20240131, 1.5, pd.NaT])
def test_nothing_else_is_an_instant(instant: str) -> None:
    with pytest.raises(ValueError, match="expected an instant such as '2024-03-01T12:00:00Z'"):
        parse_instant(instant)


def test_frames_of_pandas_and_polars_are_equal() -> None:
    rows = {"user_id": ["a", "b"], "fee": [1.5, None], "paper": [True, False]}
    frame = pl.DataFrame(rows)
    for given in (frame, frame.lazy(), pd.DataFrame(rows)):
        assert as_polars({"users": given})["users"].equals(frame)
    with pytest.raises(TypeError, match="users: expected a frame of polars or pandas, got list"):
        as_polars({"users": [1, 2]})


def test_a_catalog_for_frames_differs_only_in_its_files() -> None:
    catalog = load_catalog(None)
    renamed = name_files(catalog)
    assert renamed.service == catalog.service
    assert {renamed.file(table) for table in renamed.frozen_tables} == {
        f"{catalog.file(table)}.parquet" for table in catalog.frozen_tables
    }
    for table in catalog.frozen_tables:
        assert renamed.headers(table) == catalog.headers(table)
        assert renamed.reading(table) == catalog.reading(table)


def test_a_training_cannot_go_to_a_different_installation(tmp_path: Path) -> None:
    with (
        open_installation(tmp_path / "first") as installation,
        pytest.raises(SettingsInvalid, match="database_url, home: a setting of the installation"),
    ):
        installation.train("2024-01-31", home=tmp_path / "second", database_url="postgresql://x/y")
    assert not list(tmp_path.iterdir())
