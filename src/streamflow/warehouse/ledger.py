"""The ledger of promotions, append-only, and the passports' digests."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One entry of the ledger."""

    who: str
    model: str
    version: int
    stage: str
    replaced: int | None
    forced: bool
    why: str


def record(connection: psycopg.Connection, entry: Promotion) -> None:
    """Append a promotion."""
    connection.execute(
        "INSERT INTO streamflow.promotion (who, model, version, stage, replaced, forced, why) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [entry.who, entry.model, entry.version, entry.stage, entry.replaced, entry.forced, entry.why],
    )


def record_passport(connection: psycopg.Connection, *, run_id: str, model: str, version: int, digest: str) -> None:
    """Keep the digest of a version's passport where MLflow cannot reach it."""
    connection.execute(
        "INSERT INTO streamflow.passport (run_id, model, version, digest) VALUES (%s, %s, %s, %s)", [run_id, model, version, digest]
    )
