"""The data level: every frozen revision that a passport names, read again and held against its digests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

import polars as pl

from streamflow.core.data.changed_cells import changed_cells, suspects
from streamflow.core.data.difference import Difference
from streamflow.core.data.digest import BUCKETS, TableDigest, digest_frame
from streamflow.core.training.training_set import Source
from streamflow.core.versions.level_comparison import Level
from streamflow.core.versions.passport import Passport
from streamflow.errors import NotRebuildable
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.steps.versions.recorded_version import require_frozen
from streamflow.warehouse import change_evidence, frozen
from streamflow.warehouse.frozen import Revision

EXPLAINED = (
    16  # of the 256 parts of a table: whose every row was changed need not be told row by row
)


@dataclass(frozen=True, kw_only=True)
class Examined:
    """The verdict, and the rows: what was held against the digests is what a rebuild is made from."""

    level: Level
    frames: dict[tuple[str, datetime, int], pl.DataFrame]

    def read(
        self, table: str, columns: list[str], places: list[tuple[datetime, int]]
    ) -> pl.DataFrame:
        """The rows of some revisions, as warehouse/frozen.rows_of gives them."""
        parts = [self.frames[table, *one] for one in places]
        return pl.concat([part.select("as_of", *columns) for part in parts])


def examine(platform: Platform, passport: Passport, *, notify: Callable[[str], None]) -> Examined:
    """Read and verify every revision of a passport; `platform` is as recorded.

    Raises NotRebuildable when one is gone, or lacks what was erased on request.
    """
    revisions = require_frozen(platform, passport.sources)
    refuse_erased(platform, passport)
    progress = Progress(notify, "verifying frozen rows", sum(s.rows for s in passport.sources))
    found: list[Difference] = []
    frames = {}
    reading = ThreadPoolExecutor(
        max_workers=1
    )  # PostgreSQL sends the next one while this one is digested
    try:
        for asked in [
            _asked(platform, source, revisions[source.place], reading)
            for source in passport.sources
        ]:
            frames[asked.source.place] = frame = asked.rows.result()
            content = digest_frame(
                frame.drop("as_of"), key=platform.catalog.entity.key, types=asked.types
            )
            found += _differences(platform, asked.source, asked.revision, content)
            progress.add(len(frame))
    finally:
        reading.shutdown(cancel_futures=True)
    found += _known_otherwise(platform, passport)
    return Examined(level=Level(name="data", differences=tuple(found)), frames=frames)


def refuse_erased(platform: Platform, passport: Passport) -> None:
    """What a person asked to be erased is no drift: the version cannot be made again, and that is said."""
    erased = [(s, change_evidence.erased_since(platform.connection, s)) for s in passport.sources]
    values = sum(e.rows * (len(s.columns) - 1) for s, e in erased)
    if values:
        rows = sum(e.rows for _, e in erased)
        tables = len({s.table for s, e in erased if e.rows})
        said = f"data: {values:,} values erased on request ({rows:,} rows of {tables} tables, with 'streamflow forget')"
        raise NotRebuildable(
            said,
            missing=[said],
            remedy="Nothing brings them back, by intent. Train a new version without them.",
        )


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A revision whose rows are on their way."""

    source: Source
    revision: Revision
    types: dict[str, str]
    rows: Future[pl.DataFrame]


def _asked(
    platform: Platform, source: Source, revision: Revision, reading: ThreadPoolExecutor
) -> _Asked:
    types = _types(platform, source, revision)
    rows = reading.submit(
        frozen.rows_of, platform.address, source.table, types, [(source.as_of, source.revision)]
    )
    return _Asked(source=source, revision=revision, types=types, rows=rows)


def _differences(
    platform: Platform, source: Source, revision: Revision, content: TableDigest
) -> list[Difference]:
    """What of one revision is not as recorded: its row in streamflow.revision, its cells."""
    where, note, found = str(source), "in streamflow.revision", list[Difference]()
    if revision.digest != source.digest:
        found.append(
            Difference(
                what=f"{where}, its digest",
                recorded=source.digest[:16],
                now=revision.digest[:16],
                note=note,
            )
        )
    if revision.known_at != source.known_at:
        instants = (source.known_at.isoformat(), revision.known_at.isoformat())
        found.append(
            Difference(
                what=f"{where}, its known_at", recorded=instants[0], now=instants[1], note=note
            )
        )
    if content.value != source.digest:
        found += [
            replace(d, what=f"{where}, {d.what}")
            for d in _explained(platform, source, revision, content)
        ]
    return found


def _types(platform: Platform, source: Source, revision: Revision) -> dict[str, str]:
    """The columns that the revision was frozen with, by what is stored with it or, where that is gone, by the catalog."""
    stored = {c.name: c.type for c in frozen.stored_digest(platform.connection, revision).columns}
    declared = {
        name: column.type for name, column in platform.catalog.columns(source.table).items()
    }
    return {
        name: kind
        for name in source.columns
        if (kind := stored.get(name) or declared.get(name, ""))
    }


def _explained(
    platform: Platform, source: Source, revision: Revision, content: TableDigest
) -> list[Difference]:
    """What changed in a revision: cells by key and column where digests can tell, else the columns."""
    key, catalog = platform.catalog.entity.key, platform.catalog
    recorded = frozen.stored_digest(platform.connection, revision)
    differing = suspects(recorded, content)
    where = dict(islice(sorted(differing.items()), EXPLAINED))
    types = {c.name: c.type for c in content.columns}
    found: list[Difference] = []
    if where:
        now = change_evidence.rows_in(platform.address, source, types, key, where)
        columns = {n: c for n, c in catalog.columns(source.table).items() if n in types}
        raw = change_evidence.raw_rows_in(
            platform.connection,
            platform.address,
            source,
            columns,
            key,
            where,
            population=catalog.population_of(source.table),
        )
        found = changed_cells(now, raw, where, recorded=recorded, key=key, types=types)
    if len(differing) > len(where):
        what, parts = (
            "and other rows",
            f"{len(differing) - len(where)} of {BUCKETS} parts of the table more",
        )
        found.append(Difference(what=what, recorded="as frozen", now="changed", note=parts))
    told = {name for names in differing.values() for name in names}
    found += [
        Difference(what=f"column {name}", recorded=source.columns[name][:16], now=content.column_values.get(name, "")[:16] or None,
                   note="the digests stored with the revision were changed too")
        for name in source.columns
        if name not in told and content.column_values.get(name) != source.columns[name]
    ]  # fmt: skip
    return found


def _known_otherwise(platform: Platform, passport: Passport) -> list[Difference]:
    """Where the same question, as known at K, has another answer now."""
    known = {
        (r.table, r.as_of): r.revision
        for r in frozen.revisions(platform.connection, known_at=passport.known_at)
    }
    return [
        Difference(
            what=f"{s.table} of {s.as_of:%Y-%m-%d} as known at {passport.known_at.isoformat()}",
            recorded=f"revision {s.revision}",
            now=f"revision {known[s.table, s.as_of]}",
        )
        for s in passport.sources
        if known.get((s.table, s.as_of), s.revision) != s.revision
    ]
