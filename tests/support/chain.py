"""The steps of a month and of a version in a row, for tests of what comes after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import psycopg
from psycopg import sql

from streamflow.platform import Platform
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.snapshot import SnapshotReceipt, snapshot
from streamflow.steps.promotion.promote import promote
from streamflow.steps.training.train import TrainReceipt, train

JANUARY, FEBRUARY, MARCH = (
    datetime(2024, 1, 31, tzinfo=UTC),
    datetime(2024, 2, 29, tzinfo=UTC),
    datetime(2024, 3, 31, tzinfo=UTC),
)
NOW = datetime(2024, 4, 1, tzinfo=UTC)  # of a request; no policy of the default catalog asks for it


def load(platform: Platform, folder: Path, as_of: datetime) -> SnapshotReceipt:
    """Ingest and freeze a drop."""
    ingest(platform, folder, as_of)
    return snapshot(platform, as_of)


def run(platform: Platform, folder: Path, as_of: datetime) -> None:
    """What the flow `monthly` does."""
    load(platform, folder, as_of)
    materialize(platform)


def in_production(platform: Platform, as_of: datetime) -> TrainReceipt:
    """Train a version and put it into Production, whatever the gate says of so few rows."""
    trained = train(platform, as_of)
    promote(platform, trained.version, force=True, why="a test of something else")
    return trained


def copy_drop(drop: Path, to: Path, **changes: Mapping[str, pl.Expr] | None) -> Path:
    """Copy a drop with columns of some files replaced.

    The replacements are table -> column -> expression over text; None leaves the file out.
    """
    to.mkdir(parents=True)
    for path in sorted(drop.glob("*.csv")):
        change = changes.get(path.stem, {})
        if change is None:
            continue
        if change:
            pl.read_csv(path, infer_schema=False).with_columns(**change).write_csv(to / path.name)
        else:
            (to / path.name).write_bytes(path.read_bytes())
    return to


OURS = ("raw", "frozen", "online", "streamflow")


def database_digest(
    connection: psycopg.Connection,
    schemas: Sequence[str] = OURS,
    *,
    told: tuple[str, str] = ("", ""),
) -> dict[str, str]:
    """Table -> digest of its content, for every table in `schemas`.

    `told` is a text and the one to read in its place.
    """
    names = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY(%s) ORDER BY 1, 2",
        [list(schemas)],
    ).fetchall()
    found = {}
    for schema, table in names:
        query = sql.SQL(
            "SELECT count(*) || ' rows ' || coalesce(md5(string_agg(r, ''"
            " ORDER BY r COLLATE \"C\")), '')"
            " FROM {} t, replace(t::text, {}, {}) r"
        )
        row = connection.execute(
            query.format(sql.Identifier(schema, table), *map(sql.Literal, told))
        ).fetchone()
        assert row is not None
        found[f"{schema}.{table}"] = str(row[0])
    return found
