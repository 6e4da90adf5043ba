"""The append-only reports of `monitor`, and the logged predictions that it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from streamflow.database.locks import MONITOR_REPORT, hold_lock
from streamflow.database.sql_files import load_queries
from streamflow.warehouse.sql_lists import list_identifiers, list_placeholders

QUERIES = load_queries(__file__, "monitoring.sql")


@dataclass(frozen=True, kw_only=True)
class StoredReport:
    """A stored monitor report without its content."""

    id: int
    at: datetime
    as_of: datetime
    model: str
    version: int
    mlflow_run_id: str
    evidence_digest: str
    fires: bool
    verdict: str
    reasons: tuple[str, ...]


# The columns of a StoredReport, in the order in which the statements return them.
COLUMNS = "id, at, as_of, model, version, mlflow_run_id, evidence_digest, fires, verdict, reasons"


@contextmanager
def lock_reports(connection: psycopg.Connection) -> Iterator[None]:
    """Keep every other process that writes a monitor report waiting during the block."""
    with hold_lock(connection, MONITOR_REPORT):
        yield


def find_report(
    connection: psycopg.Connection,
    evidence_digest: str,
) -> tuple[StoredReport, Mapping[str, Any]] | None:
    """Read the report on this evidence, with its content as plain values.

    Returns:
        None when there is no such report.
    """
    row = connection.execute(QUERIES["select_report"], [evidence_digest]).fetchone()
    if row is None:
        return None
    *columns, report = row
    return _make_verdict(columns), report


def newest_reports(
    connection: psycopg.Connection,
    model: str,
    *,
    below: int | None,
    limit: int,
) -> list[StoredReport]:
    """Read the newest reports of a model with smaller numbers, without their content."""
    parameters = {"model": model, "below": below, "limit": limit}
    rows = connection.execute(QUERIES["select_newest_reports"], parameters)
    return [_make_verdict(list(row)) for row in rows]


def read_report(
    connection: psycopg.Connection,
    model: str,
    number: int,
) -> tuple[StoredReport, Mapping[str, Any]] | None:
    """Read a report of a model with its content as plain values; None if there is none."""
    parameters = {"model": model, "id": number}
    row = connection.execute(QUERIES["select_report_by_number"], parameters).fetchone()
    if row is None:
        return None
    *columns, report = row
    return _make_verdict(columns), report


def _make_verdict(columns: list[Any]) -> StoredReport:
    values = dict(zip(COLUMNS.split(", "), columns, strict=True))
    values["reasons"] = tuple(values["reasons"])
    return StoredReport(**values)


@dataclass(frozen=True, kw_only=True)
class NewReport:
    """A monitor report that is to be stored."""

    as_of: datetime
    model: str
    version: int
    mlflow_run_id: str
    evidence_digest: str
    fires: bool
    verdict: str
    reasons: tuple[str, ...]
    auc: float | None
    auc_at_training: float | None
    positive_share: float | None
    report: Mapping[str, Any]


def store_report(connection: psycopg.Connection, new: NewReport) -> StoredReport:
    """Append a report and return it as it is stored, without its content."""
    values = {**vars(new), "reasons": Jsonb(list(new.reasons)), "report": Jsonb(new.report)}
    statement = sql.SQL(
        "INSERT INTO streamflow.monitor_report ({}) VALUES ({}) RETURNING {}"
    ).format(
        list_identifiers(values),
        list_placeholders(values),
        sql.SQL(COLUMNS),
    )
    row = connection.execute(statement, values).fetchone()
    assert row is not None
    return _make_verdict(list(row))


@dataclass(frozen=True, kw_only=True)
class LoggedPredictions:
    """The logged predictions of one version on one drop.

    prediction_count     how many predictions of this version were logged
    last_id              the id of the last of them in the log; 0 when there is none
    other_version_count  how many predictions of different versions were logged on this drop
    newest               (n, 2) key as text, probability: the last prediction for each key
    """

    prediction_count: int
    last_id: int
    other_version_count: int
    newest: pl.DataFrame


def logged_predictions(
    connection: psycopg.Connection,
    model: str,
    version: int,
    as_of: datetime,
) -> LoggedPredictions:
    """Read the predictions of one version on one drop from the prediction log."""
    parameters = {"model": model, "version": version, "as_of": as_of}
    counts = connection.execute(QUERIES["count_predictions"], parameters).fetchone()
    assert counts is not None
    prediction_count, last_id, other_count = counts
    rows = connection.execute(
        QUERIES["select_newest_predictions"],
        {**parameters, "last_id": last_id},
    ).fetchall()
    newest = pl.DataFrame(rows, schema={"key": pl.String, "probability": pl.Float64}, orient="row")
    return LoggedPredictions(
        prediction_count=prediction_count,
        last_id=last_id,
        other_version_count=other_count,
        newest=newest,
    )
