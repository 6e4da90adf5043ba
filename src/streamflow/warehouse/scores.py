"""The scores of whole drops: which runs there are, how one is written, and its rows again."""

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
from streamflow.warehouse.drops import LOCK
from streamflow.warehouse.locks import held

COLUMNS = "id, at, as_of, known_at, model, version, run_id, threshold, explained, rows, flagged, missing, digest, evidence_digest"

# A run goes when a newer one says the same of the same drop, when its version is gone, or when it is too old.
UNNEEDED = """
SELECT id FROM streamflow.score_run r
WHERE EXISTS (SELECT FROM streamflow.score_run n
              WHERE (n.model, n.version, n.as_of) = (r.model, r.version, r.as_of) AND n.id > r.id AND n.explained >= r.explained)
OR r.run_id = ANY(%(gone)s) OR r.at < clock_timestamp() - make_interval(days => %(days)s::int)
ORDER BY id
"""


@dataclass(frozen=True, kw_only=True)
class ScoreRun:
    """One scoring of a drop.

    run_id     MLflow's, that the version comes from
    explained  whether the scores have reasons
    flagged    rows with prediction 1
    missing    rows without a probability
    digest     of key and probability
    """

    id: int
    at: datetime
    as_of: datetime
    known_at: datetime
    model: str
    version: int
    run_id: str
    threshold: float
    explained: bool
    rows: int
    flagged: int
    missing: int
    digest: str
    evidence_digest: str


@contextmanager
def one_at_a_time(connection: psycopg.Connection, evidence_digest: str) -> Iterator[None]:
    """Keep others waiting that would score the same, and nobody else."""
    with held(connection, int.from_bytes(bytes.fromhex(evidence_digest)[:8], "big", signed=True)):
        yield


def find(connection: psycopg.Connection, evidence_digest: str) -> ScoreRun | None:
    """The run on this evidence; None when there is none yet."""
    with connection.cursor(row_factory=class_row(ScoreRun)) as cursor:
        query = sql.SQL("SELECT {} FROM streamflow.score_run WHERE evidence_digest = %s").format(
            sql.SQL(COLUMNS)
        )
        return cursor.execute(query, [evidence_digest]).fetchone()


def evidence_of(connection: psycopg.Connection, run: ScoreRun) -> Mapping[str, Any]:
    """What a run was made of."""
    row = connection.execute(
        "SELECT evidence FROM streamflow.score_run WHERE id = %s", [run.id]
    ).fetchone()
    assert row is not None
    found: Mapping[str, Any] = row[0]
    return found


class Writing:
    """One transaction: the scores part by part, then the run. What does not come to its end leaves nothing."""

    def __init__(self, opened: Any, number: int) -> None:
        self._opened, self.number = opened, number

    def add(self, scores: pl.DataFrame) -> None:
        """Append rows: key, features_as_of, probability, prediction, missing, defaulted, reasons."""
        rows = scores.with_columns(pl.lit(self.number, pl.Int64).alias("score_run"))
        arrow.ingest(self._opened, "streamflow", "score", [rows])

    def hold_still(self) -> None:
        """Nobody freezes or forgets anything from now on until this transaction ends."""
        with self._opened.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_xact_lock_shared({LOCK})")
            cursor.fetchone()

    def finish(
        self, connection: psycopg.Connection, run: Mapping[str, Any], evidence: Mapping[str, Any]
    ) -> None:
        """Enter the run, and commit."""
        facts = {**run, "id": self.number, "evidence": Jsonb(evidence)}
        statement = sql.SQL("INSERT INTO streamflow.score_run ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, facts)),
            sql.SQL(", ").join(map(sql.Literal, facts.values())),
        )
        with self._opened.cursor() as cursor:
            cursor.execute(statement.as_string(connection))
        self._opened.commit()


@contextmanager
def writing(connection: psycopg.Connection, address: Address) -> Iterator[Writing]:
    """Write one run; without `finish` nothing of it is there."""
    row = connection.execute("SELECT nextval('streamflow.score_run_id')").fetchone()
    assert row is not None
    with adbc.connection(address) as opened:
        yield Writing(opened, row[0])


def rows_of(address: Address, run: ScoreRun) -> Iterator[pl.DataFrame]:
    """The scores of a run by key, part by part; at least one part, which may be empty."""
    names = [
        "key",
        "prediction",
        "probability",
        "missing",
        "defaulted",
        "features_as_of",
        *(["reasons"] if run.explained else []),
    ]
    query = sql.SQL("SELECT {} FROM streamflow.score WHERE score_run = $1 ORDER BY key").format(
        sql.SQL(", ").join(map(sql.Identifier, names))
    )
    for batch in arrow.stream(address, query.as_string(), [run.id]):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield frame


def run_ids(connection: psycopg.Connection) -> list[str]:
    """The MLflow runs whose versions have scored."""
    rows = connection.execute("SELECT DISTINCT run_id FROM streamflow.score_run ORDER BY 1")
    return [run_id for (run_id,) in rows]


def unneeded(connection: psycopg.Connection, gone: Sequence[str], days: int | None) -> list[int]:
    """The runs that nothing needs: superseded, of versions that are `gone`, or older than `days`."""
    return [
        number for (number,) in connection.execute(UNNEEDED, {"gone": list(gone), "days": days})
    ]


def remove(connection: psycopg.Connection, numbers: Iterable[int]) -> None:
    """Delete runs with their scores; only the maintenance role may."""
    wanted = list(numbers)
    connection.execute("DELETE FROM streamflow.score WHERE score_run = ANY(%s)", [wanted])
    connection.execute("DELETE FROM streamflow.score_run WHERE id = ANY(%s)", [wanted])
