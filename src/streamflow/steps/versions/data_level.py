"""The data level of a passport: every frozen revision that it names, compared with its digests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

import polars as pl

from streamflow.core.data.changed_cells import find_changed_cells, find_suspect_columns
from streamflow.core.data.counts import count_of
from streamflow.core.data.difference import Difference
from streamflow.core.data.digest import BUCKETS, TableDigest, digest_frame
from streamflow.core.training.training_set import Source
from streamflow.core.versions.level_comparison import Level
from streamflow.core.versions.passport import Passport
from streamflow.errors import NotRebuildable
from streamflow.files.frame_store import FrameStore, StoredFrame
from streamflow.files.read_ahead import read_ahead
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.steps.data.frozen_reading import read_rows_in_buckets
from streamflow.steps.versions.frozen_contents import (
    FrozenContent,
    columns_of_training_set,
    find_content,
    read_contents,
)
from streamflow.steps.versions.recorded_version import require_frozen
from streamflow.warehouse import change_evidence, frozen
from streamflow.warehouse.frozen import Revision

# A table has 256 buckets. When more than these have changed, the rest is counted, not explained.
MAX_EXPLAINED_BUCKETS = 16


@dataclass(frozen=True, kw_only=True)
class VerifiedRows:
    """The verdict on the data level, and the rows that were compared with the digests.

    A version is rebuilt from exactly these rows. `frames` has the rows by (table, as_of, revision):
    as_of and the columns that a training set reads. They lie in a file without a name.
    """

    level: Level
    frames: dict[tuple[str, datetime, int], StoredFrame]

    def read_rows(
        self,
        table: str,
        columns: list[str],
        revisions: list[tuple[datetime, int]],
    ) -> pl.DataFrame:
        """Return the rows of some revisions, in the shape of `frozen_reading.read_rows`."""
        frames = [self.frames[table, as_of, number].read() for as_of, number in revisions]
        return pl.concat([frame.select("as_of", *columns) for frame in frames])


def verify_frozen_rows(
    platform: Platform, passport: Passport, *, keeps_rows: bool = True
) -> VerifiedRows:
    """Read and verify every revision that a passport names.

    Every column is verified. Of the rows, what a training set reads is written to a file.

    Args:
        platform: with the recorded catalog and settings
        passport: names the revisions
        keeps_rows: whether the rows are needed afterwards

    Raises:
        NotRebuildable: a revision is no longer frozen, or rows of it were erased on request
        DiskFull: there is no space left on the disk of the state folder
    """
    revisions = require_frozen(platform, passport.sources)
    refuse_erased(platform, passport)
    total_rows = sum(source.rows for source in passport.sources)
    progress = Progress(platform.notify, "verifying frozen rows", total_rows)
    differences: list[Difference] = []
    frames = {}
    store = FrameStore(platform.home / "tmp")
    contents = [
        find_content(platform, source, revisions[source.revision_key])
        for source in passport.sources
    ]
    # A thread reads the next revision while this one is digested. So two are in memory whole.
    for content, frame in read_ahead(read_contents(platform, contents)):
        differences += _compare_revision(platform, content, frame)
        progress.add(len(frame))
        if keeps_rows:
            readable = columns_of_training_set(platform.catalog, content.source.table)
            columns = [name for name in frame.columns if name in readable]
            frames[content.source.revision_key] = store.add(frame.select(columns))
    differences += _compare_newest_revisions(platform, passport)
    return VerifiedRows(level=Level(name="data", differences=tuple(differences)), frames=frames)


def refuse_erased(platform: Platform, passport: Passport) -> None:
    """Raise NotRebuildable when rows of a passport were erased on request.

    An erasure is not drift: the version cannot be made again, and the error says so.
    """
    row_count = 0
    value_count = 0
    tables = set()
    for source in passport.sources:
        erasure = change_evidence.follow_erasures(platform.connection, source)
        row_count += erasure.rows
        value_count += erasure.rows * (len(source.columns) - 1)
        if erasure.rows:
            tables.add(source.table)
    if value_count:
        rows = f"{count_of(row_count, 'row')} of {count_of(len(tables), 'table')}"
        sentence = (
            f"data: {count_of(value_count, 'value')} erased on request"
            f" ({rows}, with 'streamflow forget')"
        )
        raise NotRebuildable(
            sentence,
            missing=[sentence],
            remedy="This is on purpose: nothing restores them. Train a new version without them.",
        )


def _compare_revision(
    platform: Platform,
    content: FrozenContent,
    frame: pl.DataFrame,
) -> list[Difference]:
    """Compare a revision with the passport: its row in streamflow.revision, and its cells."""
    source = content.source
    revision = content.revision
    key = platform.catalog.entity.key
    digest = digest_frame(frame.drop("as_of"), key=key, types=content.types)
    differences = list(_compare_record(source, revision))
    if digest.value != source.digest:
        differences += [
            replace(difference, what=f"{source}, {difference.what}")
            for difference in _explain_content(platform, source, revision, digest)
        ]
    return differences


def _compare_record(source: Source, revision: Revision) -> Iterator[Difference]:
    """Compare the row of a revision in streamflow.revision with the passport."""
    table_note = "in streamflow.revision"
    if revision.digest != source.digest:
        yield Difference(
            what=f"{source}, its digest",
            recorded=source.digest[:16],
            now=revision.digest[:16],
            note=table_note,
        )
    if revision.known_at != source.known_at:
        yield Difference(
            what=f"{source}, its known_at",
            recorded=source.known_at.isoformat(),
            now=revision.known_at.isoformat(),
            note=table_note,
        )


def _explain_content(
    platform: Platform,
    source: Source,
    revision: Revision,
    content: TableDigest,
) -> list[Difference]:
    """Name what changed in a revision: cells by key and column where digests show them.

    Where the digests do not show the cells, only the changed columns are named.
    """
    stored = frozen.stored_digest(platform.connection, revision)
    changed_buckets = find_suspect_columns(stored, content)
    explained_buckets = dict(islice(sorted(changed_buckets.items()), MAX_EXPLAINED_BUCKETS))
    differences = _explain_cells(platform, source, stored, content, explained_buckets)
    unexplained = len(changed_buckets) - len(explained_buckets)
    if unexplained:
        note = f"in {unexplained} more of the table's {BUCKETS} buckets"
        differences.append(
            Difference(what="and more rows", recorded="as frozen", now="changed", note=note)
        )
    explained_columns = frozenset[str]().union(*changed_buckets.values())
    for name, digest in source.columns.items():
        current_digest = content.column_values.get(name)
        if name not in explained_columns and current_digest != digest:
            differences.append(
                Difference(
                    what=f"column {name}",
                    recorded=digest[:16],
                    now=(current_digest or "")[:16] or None,
                    note="the digests stored with the revision were changed, too",
                )
            )
    return differences


def _explain_cells(
    platform: Platform,
    source: Source,
    stored: TableDigest,
    content: TableDigest,
    buckets: Mapping[int, frozenset[str]],
) -> list[Difference]:
    """Name the changed cells of some buckets by key and column, with the former values if known."""
    if not buckets:
        return []
    key = platform.catalog.entity.key
    types = {column.name: column.type for column in content.columns}
    rows = read_rows_in_buckets(platform, source, list(types), buckets)
    raw_rows = pl.DataFrame()
    # A recorded catalog may come from somebody else: only the expressions of our own are computed.
    catalog = platform.catalog_file.catalog
    if source.table in catalog.frozen_tables:
        raw_rows = change_evidence.read_raw_rows_in_buckets(
            platform.connection,
            platform.address,
            source,
            catalog,
            types,
            buckets,
        )
    return find_changed_cells(rows, raw_rows, buckets, recorded=stored, key=key, types=types)


def _compare_newest_revisions(platform: Platform, passport: Passport) -> list[Difference]:
    """Find the drops for which a read as known at K would now use a different revision.

    Each month has its own K.
    """
    differences = [
        difference
        for month in passport.months
        for difference in _compare_newest_of_month(platform, month)
    ]
    return list(dict.fromkeys(differences))


def _compare_newest_of_month(platform: Platform, passport: Passport) -> list[Difference]:
    newest = {
        (revision.table, revision.as_of): revision.revision
        for revision in frozen.revisions(platform.connection, known_at=passport.known_at)
    }
    differences = []
    for source in passport.sources:
        number = newest.get((source.table, source.as_of), source.revision)
        if number != source.revision:
            drop = f"{source.table} of {source.as_of:%Y-%m-%d}"
            differences.append(
                Difference(
                    what=f"{drop} as known at {passport.known_at.isoformat()}",
                    recorded=f"revision {source.revision}",
                    now=f"revision {number}",
                )
            )
    return differences
