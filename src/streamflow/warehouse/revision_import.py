"""Frozen revisions of another installation: taken in as they are, with number and known_at, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

import polars as pl
import psycopg
from psycopg import sql

from streamflow.core.data.digest import row_digests
from streamflow.core.versions.manifest import ExportedRevision
from streamflow.database import Address, adbc, arrow
from streamflow.warehouse.drops import LOCK

Parts = Callable[[ExportedRevision], Iterable[pl.DataFrame]]
STAMP = pl.Datetime("us", "UTC")
PLACE: dict[str, pl.DataType] = {"table_name": pl.String(), "as_of": STAMP, "revision": pl.Int32()}


def conflicts(
    connection: psycopg.Connection, revisions: Sequence[ExportedRevision]
) -> tuple[list[ExportedRevision], list[str]]:
    """Those that are not here yet, and in words those that cannot come.

    One that is here with the same content is neither. A place (table, as_of) that was loaded here stays as it is; where
    nothing was loaded, a further revision may come if its number and its instant are in one order with those that are here. An
    older one may always: what is known from now on stays.
    """
    missing, refused = [], []
    for one in revisions:
        here = connection.execute(
            "SELECT revision, known_at, digest FROM streamflow.revision WHERE table_name = %s AND as_of = %s",
            [one.table, one.as_of],
        ).fetchall()
        same = [row for row in here if row[0] == one.revision]
        if same and same[0][2] == one.digest:
            continue
        if same:
            refused.append(f"{one}: it has another content here")
        elif any(
            (number < one.revision) != (known_at < one.known_at) for number, known_at, _ in here
        ):
            refused.append(
                f"{one}: revisions of this drop that are here were known in another order"
            )
        elif (
            here
            and one.revision > max(row[0] for row in here)
            and _was_loaded(connection, one.table, one.as_of)
        ):
            refused.append(f"{one}: this drop was loaded here, and is not changed by an import")
        else:
            missing.append(one)
    return missing, refused


def _was_loaded(connection: psycopg.Connection, table: str, as_of: datetime) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE as_of = %s)").format(
        sql.Identifier("raw", table)
    )
    row = connection.execute(query, [as_of]).fetchone()
    return bool(row and row[0])


def take_in(address: Address, revisions: Sequence[ExportedRevision], parts: Parts) -> None:
    """Insert rows, revisions and their digests: all or nothing, no other writer meanwhile.

    The drop ledger stays as it is: it says what the raw tables hold, and no raw row comes.
    """
    with adbc.connection(address) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        cursor.fetchall()
        for one in revisions:
            arrow.ingest(connection, "frozen", one.table, _rows(one, parts(one)))
        arrow.ingest(connection, "streamflow", "revision", [_revisions(revisions)])
        arrow.ingest(connection, "streamflow", "revision_column", [_columns(revisions)])
        connection.commit()


def _rows(one: ExportedRevision, parts: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The rows as they are frozen; each row's own digest is computed from what it holds."""
    place = [
        pl.lit(one.as_of).cast(STAMP).alias("as_of"),
        pl.lit(one.revision, pl.Int32).alias("revision"),
    ]
    for part in parts:
        digests = pl.Series("row_digest", row_digests(part, types=one.types), pl.Binary)
        yield part.select(*place, pl.all()).with_columns(digests)


def _revisions(revisions: Sequence[ExportedRevision]) -> pl.DataFrame:
    rows = [(*_place(r), r.known_at, r.rows, r.digest) for r in revisions]
    return pl.DataFrame(
        rows,
        schema={**PLACE, "known_at": STAMP, "rows": pl.Int64(), "digest": pl.String()},
        orient="row",
    )


def _columns(revisions: Sequence[ExportedRevision]) -> pl.DataFrame:
    rows = [
        (*_place(r), c.name, c.type, bytes.fromhex(c.buckets)) for r in revisions for c in r.columns
    ]
    schema = {**PLACE, "name": pl.String(), "type": pl.String(), "buckets": pl.Binary()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _place(revision: ExportedRevision) -> tuple[str, datetime, int]:
    return revision.table, revision.as_of, revision.revision


def imported_as(connection: psycopg.Connection, passport_digest: str) -> list[tuple[str, int]]:
    """(run id, version) of what was registered here with this passport."""
    rows = connection.execute(
        "SELECT run_id, version FROM streamflow.passport WHERE digest = %s ORDER BY version",
        [passport_digest],
    )
    return [(run_id, version) for run_id, version in rows]
