"""The reports of `monitor`, append-only, and the logged predictions that they look at."""

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

from streamflow.warehouse.locks import held

LOCK = 7_590_005  # advisory lock: one report at a time, so that equal evidence is one report and one run


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A stored report without its content."""

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


COLUMNS = "id, at, as_of, model, version, mlflow_run_id, evidence_digest, fires, verdict, reasons"


@contextmanager
def one_at_a_time(connection: psycopg.Connection) -> Iterator[None]:
    """Keep every other report waiting."""
    with held(connection, LOCK):
        yield


def stored(
    connection: psycopg.Connection, evidence_digest: str
) -> tuple[Verdict, Mapping[str, Any]] | None:
    """The report on this evidence, with its content in plain values; None when there is none yet."""
    row = connection.execute(
        f"SELECT {COLUMNS}, report FROM streamflow.monitor_report WHERE evidence_digest = %s",  # names of our own
        [evidence_digest],
    ).fetchone()
    return (_verdict(row[:-1]), row[-1]) if row else None


def _verdict(row: tuple[Any, ...]) -> Verdict:
    *facts, reasons = row
    names = COLUMNS.split(", ")[:-1]
    return Verdict(**dict(zip(names, facts, strict=True)), reasons=tuple(reasons))


@dataclass(frozen=True, kw_only=True)
class NewReport:
    """A report that is to be stored."""

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


def store(connection: psycopg.Connection, new: NewReport) -> Verdict:
    """Append a report."""
    facts = {**vars(new), "reasons": Jsonb(list(new.reasons)), "report": Jsonb(new.report)}
    statement = sql.SQL(
        "INSERT INTO streamflow.monitor_report ({}) VALUES ({}) RETURNING {}"
    ).format(
        sql.SQL(", ").join(map(sql.Identifier, facts)),
        sql.SQL(", ").join(map(sql.Placeholder, facts)),
        sql.SQL(COLUMNS),
    )
    row = connection.execute(statement, facts).fetchone()
    assert row is not None
    return _verdict(row)


@dataclass(frozen=True, kw_only=True)
class LoggedAnswers:
    """The predictions that were logged of one version on one drop.

    newest   (n, 2)  key as text, probability: of each key the last one that was given
    others           answers of other versions on this drop
    """

    given: int
    last_id: int
    others: int
    newest: pl.DataFrame


def logged_answers(
    connection: psycopg.Connection, model: str, version: int, as_of: datetime
) -> LoggedAnswers:
    """Read the prediction log."""
    where = "FROM streamflow.prediction_log WHERE model = %s AND as_of = %s"
    counted = connection.execute(
        "SELECT count(*) FILTER (WHERE version = %s), coalesce(max(id) FILTER (WHERE version = %s), 0),"
        f" count(*) FILTER (WHERE version <> %s) {where}",
        [version, version, version, model, as_of],
    ).fetchone()
    assert counted is not None
    rows = connection.execute(
        f"SELECT DISTINCT ON (key) key, probability {where} AND version = %s AND id <= %s ORDER BY key, id DESC",
        [model, as_of, version, counted[1]],
    ).fetchall()
    frame = pl.DataFrame(rows, schema={"key": pl.String, "probability": pl.Float64}, orient="row")
    return LoggedAnswers(given=counted[0], last_id=counted[1], others=counted[2], newest=frame)
