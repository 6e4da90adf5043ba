"""The scores of whole drops: find a run, write a run, and read its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from streamflow.database import Address, adbc, arrow
from streamflow.database.locks import (
    RAW_AND_FROZEN_ROWS,
    hold_lock,
    score_lock,
    transaction_lock_sql,
)
from streamflow.database.sql_files import load_queries
from streamflow.warehouse.score_summaries import delete_summaries
from streamflow.warehouse.sql_lists import list_identifiers

QUERIES = load_queries(__file__, "scores.sql")


@dataclass(frozen=True, kw_only=True)
class ScoreRun:
    """One scoring of a drop by one version.

    run_id     the MLflow run that trained the version
    threshold  the probability from which the prediction is 1; None: it never is
    explained  whether the scores have reasons
    flagged    how many rows have the prediction 1
    missing    how many rows have no probability
    digest     of the keys and probabilities
    """

    id: int
    at: datetime
    as_of: datetime
    known_at: datetime
    model: str
    version: int
    run_id: str
    threshold: float | None
    explained: bool
    rows: int
    flagged: int
    missing: int
    digest: str
    evidence_digest: str


@contextmanager
def lock_scoring(connection: psycopg.Connection, evidence_digest: str) -> Iterator[None]:
    """Keep processes that would write the same scores waiting during the block."""
    with hold_lock(connection, score_lock(evidence_digest)):
        yield


def find_run(connection: psycopg.Connection, evidence_digest: str) -> ScoreRun | None:
    """Read the scoring run on this evidence; None when there is none."""
    with connection.cursor(row_factory=class_row(ScoreRun)) as cursor:
        return cursor.execute(QUERIES["select_run"], [evidence_digest]).fetchone()


def evidence_of(connection: psycopg.Connection, run: ScoreRun) -> Mapping[str, Any]:
    """Read the evidence of a scoring run: everything from which its scores were made."""
    row = connection.execute(QUERIES["select_evidence"], [run.id]).fetchone()
    assert row is not None
    evidence: Mapping[str, Any] = row[0]
    return evidence


class ScoreWriter:
    """One transaction that writes the scores in chunks, and then the run.

    If it does not reach `finish`, nothing of it is stored.
    """

    def __init__(self, connection: Any, number: int) -> None:
        self._connection = connection
        self.number = number

    def add(self, scores: pl.DataFrame) -> None:
        """Append a chunk of scores to the table.

        Args:
            scores: key, features_as_of, probability, prediction, missing, defaulted, reasons
        """
        rows = scores.with_columns(pl.lit(self.number, pl.Int64).alias("score_run"))
        arrow.ingest(self._connection, "streamflow", "score", [rows])

    def lock_frozen_rows(self) -> None:
        """Keep others from freezing or erasing rows until this transaction ends."""
        with self._connection.cursor() as cursor:
            cursor.execute(transaction_lock_sql(RAW_AND_FROZEN_ROWS, shared=True))
            cursor.fetchone()

    def finish(
        self,
        connection: psycopg.Connection,
        run: Mapping[str, Any],
        evidence: Mapping[str, Any],
    ) -> None:
        """Enter the run with its evidence, and commit.

        Args:
            connection: decides how the values are written as SQL.
            run: column -> value.
            evidence: everything from which the scores were made.
        """
        values = {**run, "id": self.number, "evidence": Jsonb(evidence)}
        statement = sql.SQL("INSERT INTO streamflow.score_run ({}) VALUES ({})").format(
            list_identifiers(values),
            sql.SQL(", ").join(map(sql.Literal, values.values())),
        )
        with self._connection.cursor() as cursor:
            cursor.execute(statement.as_string(connection))
        self._connection.commit()


@contextmanager
def write_run(connection: psycopg.Connection, address: Address) -> Iterator[ScoreWriter]:
    """Write one run within this block; without `finish` nothing of it is stored."""
    row = connection.execute(QUERIES["select_next_id"]).fetchone()
    assert row is not None
    with adbc.connection(address) as adbc_connection:
        yield ScoreWriter(adbc_connection, row[0])


def read_scores(address: Address, run: ScoreRun) -> Iterator[pl.DataFrame]:
    """Read the scores of a run in chunks, by key.

    Yields:
        at least one chunk, which may be empty.
    """
    names = ["key", "prediction", "probability", "missing", "defaulted", "features_as_of"]
    if run.explained:
        names.append("reasons")
    query = sql.SQL("SELECT {} FROM streamflow.score WHERE score_run = $1 ORDER BY key").format(
        list_identifiers(names)
    )
    for batch in arrow.stream(address, query.as_string(), [run.id]):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield frame


def run_ids(connection: psycopg.Connection) -> list[str]:
    """Read the ids of the MLflow runs whose versions have scored."""
    rows = connection.execute(QUERIES["select_run_ids"])
    return [run_id for (run_id,) in rows]


def unneeded_runs(
    connection: psycopg.Connection,
    deleted_runs: Sequence[str],
    days: int | None,
) -> list[int]:
    """Find the scoring runs that nothing needs.

    Args:
        connection: the database.
        deleted_runs: the MLflow runs whose versions are deleted.
        days: runs that are older are not needed; None: no limit.
    """
    rows = connection.execute(
        QUERIES["select_unneeded_runs"],
        {"gone": list(deleted_runs), "days": days},
    )
    return [number for (number,) in rows]


def delete_runs(connection: psycopg.Connection, numbers: Iterable[int]) -> None:
    """Delete scoring runs with their scores; only the maintenance role may do this."""
    ids = list(numbers)
    connection.execute(QUERIES["delete_scores"], [ids])
    connection.execute(QUERIES["delete_runs"], [ids])
    delete_summaries(connection, ids)
