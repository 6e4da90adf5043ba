"""Histories of one view and the training set that they give, for tests of the temporal proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from streamflow.core.data.digest import sort_for_digest
from streamflow.core.training.row_sources import DatedRevision, Reading
from streamflow.core.training.temporal_proof import Audit
from streamflow.core.training.violations import explain_violation
from streamflow.features.point_in_time_join import (
    AS_OF,
    INSTANT,
    KNOWN_SINCE,
    KNOWN_UNTIL,
    ROW_KNOWN_AT,
    point_in_time_join,
)

KEY = "user_id"
TYPES = {"tenure": "int", "fee": "float", "paperless": "bool", "net": "string"}
DTYPES = {"int": pl.Int64(), "float": pl.Float64(), "bool": pl.Boolean(), "string": pl.String()}
STAMP = pl.Datetime("us", "UTC")


@dataclass(frozen=True, kw_only=True)
class Content:
    """One revision: its place and its rows by key."""

    place: DatedRevision
    rows: dict[Any, tuple[Any, ...]]


def reading(
    as_of: datetime, known_at: datetime, *, ttl: timedelta = timedelta(days=62), **types: str
) -> Reading:
    """A reading of the view `plan_fv`."""
    return Reading(
        name="plan_fv", table="plan", types=types or TYPES, as_of=as_of, known_at=known_at, ttl=ttl
    )


def frozen(contents: Sequence[Content], asked: Reading, key: pl.DataType) -> pl.DataFrame:
    """The frozen rows of all revisions, as the warehouse hands them out."""
    schema = {"as_of": STAMP, "revision": pl.Int32, "known_at": STAMP, KEY: key}
    schema |= {name: DTYPES[kind] for name, kind in asked.types.items()}
    rows = [
        (
            c.place.as_of.astimezone(UTC),
            c.place.revision,
            c.place.known_at.astimezone(UTC),
            name,
            *values,
        )
        for c in contents
        for name, values in c.rows.items()
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def joined(
    keys: pl.Series, rows: pl.DataFrame, places: Sequence[DatedRevision], asked: Reading
) -> pl.DataFrame:
    """The set that the platform's own join makes: the keys with their features."""
    following = {
        (p.as_of, p.revision): min(
            (o.known_at for o in places if o.as_of == p.as_of and o.revision > p.revision),
            default=None,
        )
        for p in places
    }
    until = pl.Series(
        [following[a, r] for a, r in rows.select("as_of", "revision").iter_rows()], dtype=STAMP
    )
    history = rows.select(
        KEY,
        *asked.types,
        pl.col("as_of").alias(AS_OF),
        pl.col("known_at").alias(KNOWN_SINCE),
        until.alias(KNOWN_UNTIL),
    )
    instants = {INSTANT: asked.as_of.astimezone(UTC), ROW_KNOWN_AT: asked.known_at.astimezone(UTC)}
    entities = pl.DataFrame([keys]).with_columns(
        pl.lit(value).cast(STAMP).alias(name) for name, value in instants.items()
    )
    features = point_in_time_join(entities, history, keys=[KEY], ttl=asked.ttl)
    return pl.DataFrame([keys]).hstack(features.select(*asked.types))


def audit(
    frame: pl.DataFrame,
    rows: pl.DataFrame,
    places: Sequence[DatedRevision],
    asked: Reading,
    *,
    limit: int = 1000,
    chunk: int = 10**9,
) -> Audit:
    """The proof of a whole frame, in chunks."""
    made = Audit(asked, frame.select(KEY).schema, places, limit=limit)
    for part in sort_for_digest(frame, KEY).iter_slices(chunk):
        made.add(part, rows)
    if asked.types:
        made.violations = [
            explain_violation(v, rows.filter(pl.col(KEY) == v.key), places, asked)
            for v in made.violations
        ]
    return made


def planted(frame: pl.DataFrame, row: int, column: str, value: object) -> pl.DataFrame:
    """The frame with one cell replaced."""
    cell = pl.lit(value, dtype=frame[column].dtype)
    return frame.with_columns(
        pl.when(pl.int_range(pl.len()) == row).then(cell).otherwise(pl.col(column)).alias(column)
    )


MONTHS = tuple(datetime(2024, month, day, tzinfo=UTC) for month, day in ((1, 31), (2, 29), (3, 31)))


def large(
    count: int, *, seed: int = 1
) -> tuple[pl.DataFrame, pl.DataFrame, list[DatedRevision], Reading]:
    """`count` keys with three monthly drops of two features.

    Returns the set as of February, the frozen rows, the revisions and the reading.

    Every value of March differs from that of February, so that a future row shows in each of its
    cells.
    """
    rng = np.random.default_rng(seed)
    keys = pl.Series(KEY, [f"{n:07}" for n in rng.permutation(count)])
    places = [DatedRevision(month, 1, month + timedelta(hours=3)) for month in MONTHS]
    asked = reading(MONTHS[1], places[-1].known_at, tenure="int", fee="float")
    parts = []
    for number, place in enumerate(places):
        frame = pl.DataFrame([keys]).with_columns(
            tenure=pl.Series(rng.integers(0, 100, count) * 3 + number),
            fee=pl.Series(rng.random(count) + number),
        )
        instants = {"as_of": place.as_of, "known_at": place.known_at}
        parts.append(
            frame.with_columns(
                *(pl.lit(v).cast(STAMP).alias(n) for n, v in instants.items()), revision=pl.lit(1)
            )
        )
    rows = pl.concat(parts)
    return joined(keys, rows, places, asked), rows, places, asked


def one_row_of_the_future(count: int) -> tuple[Audit, Audit, pl.DataFrame]:
    """The proof of a clean set, that of the same set with one row of March in it, and that row."""
    frame, rows, places, asked = large(count)
    clean = audit(frame, rows, places, asked, chunk=max(count // 5, 1))
    row = count // 3
    march = rows.filter((pl.col(KEY) == frame[KEY][row]) & (pl.col("as_of") == MONTHS[2]))
    leaking = planted(
        planted(frame, row, "tenure", march["tenure"][0]), row, "fee", march["fee"][0]
    )
    return clean, audit(leaking, rows, places, asked, chunk=max(count // 5, 1)), march


def in_zone(place: DatedRevision, zone: Any) -> DatedRevision:
    """The same revision, its instants given in another time zone."""
    return place._replace(
        as_of=place.as_of.astimezone(zone), known_at=place.known_at.astimezone(zone)
    )


def in_zones(asked: Reading, zone: Any) -> Reading:
    """The same reading, its instants given in another time zone."""
    return replace(
        asked, as_of=asked.as_of.astimezone(zone), known_at=asked.known_at.astimezone(zone)
    )
