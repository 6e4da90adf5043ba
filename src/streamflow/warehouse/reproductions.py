"""What the reproductions of versions said, append-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "reproductions.sql")


@dataclass(frozen=True, kw_only=True)
class ReproducedLevel:
    """What a reproduction said of one level of a passport.

    verdict      "same" or "drifted"
    differences  the first differences, as sentences
    count        how many differences there are
    """

    name: str
    verdict: str
    differences: tuple[str, ...]
    count: int


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What the newest reproduction of a version said.

    code   "at hand", or the commit that was run
    holds  whether the rebuild is the same as the version, and the version's record unchanged
    """

    at: datetime
    who: str
    code: str
    result: str
    holds: bool
    levels: tuple[ReproducedLevel, ...]


@dataclass(frozen=True, kw_only=True)
class NewReproduction:
    """What a reproduction said, to be recorded."""

    who: str
    model: str
    version: int
    run_id: str
    code: str
    result: str
    holds: bool
    levels: Sequence[ReproducedLevel]


def record_reproduction(connection: psycopg.Connection, new: NewReproduction) -> None:
    """Append a reproduction; the database sets its instant."""
    levels = [vars(level) for level in new.levels]
    connection.execute(QUERIES["insert_reproduction"], {**vars(new), "levels": Jsonb(levels)})


def newest_reproduction(
    connection: psycopg.Connection,
    model: str,
    version: int,
    run_id: str,
) -> Reproduction | None:
    """Read what the newest reproduction of a version said; None: there was none."""
    parameters = {"model": model, "version": version, "run_id": run_id}
    row = connection.execute(QUERIES["select_newest_reproduction"], parameters).fetchone()
    if row is None:
        return None
    at, who, code, result, holds, levels = row
    return Reproduction(
        at=at,
        who=who,
        code=code,
        result=result,
        holds=holds,
        levels=tuple(_make_level(level) for level in levels),
    )


def _make_level(values: Mapping[str, Any]) -> ReproducedLevel:
    return ReproducedLevel(
        name=values["name"],
        verdict=values["verdict"],
        differences=tuple(values["differences"]),
        count=values["count"],
    )
