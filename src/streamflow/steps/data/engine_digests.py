"""The digests of revisions of the lake, computed on the engine.

The workers read every column of every row; only the digests come back.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import polars as pl

from streamflow.core.data.digest import TableDigest
from streamflow.core.data.digest_shards import choose_shard_count
from streamflow.errors import LakeUnavailable, SnapshotDamaged
from streamflow.lake.digest_work import (
    RUN_COLUMNS,
    SHARD_COLUMNS,
    DigestedRevision,
    DigestShards,
    SplitRowGroups,
    read_digest,
)
from streamflow.platform import Platform
from streamflow.spark.mapping import make_rows, map_rows
from streamflow.spark.session import SparkEngine
from streamflow.steps.data.worker_installation import READING_PACKAGES, check_installation
from streamflow.warehouse.lake_revisions import LakeRevision

NO_ANSWERS = pl.DataFrame(
    schema={"revision": pl.Int32, "damage": pl.String, "unavailable": pl.String}
)
# The rows of a shard come together. A row group that could not be read has a row of its own.
BRING_TOGETHER = (
    "SELECT revision, shard, collect_list(run) AS runs, max(damage) AS damage,"
    " max(unavailable) AS unavailable FROM {runs} GROUP BY revision, shard"
)


def compute_digests(
    platform: Platform,
    engine: SparkEngine,
    revisions: Sequence[tuple[LakeRevision, TableDigest]],
) -> list[TableDigest | str]:
    """Compute the digests of revisions of the lake on the engine.

    Args:
        platform: the open platform.
        engine: the session.
        revisions: each revision with its recorded digest, which names its columns.

    Returns:
        for each revision its digest, or a sentence that says why it has none

    Raises:
        LakeUnavailable: a worker cannot reach the place of the lake.
        EngineFailed: the server could not compute them.
    """
    works = [_plan_work(platform, revision, recorded) for revision, recorded in revisions]
    digested = [work for work in works if isinstance(work, DigestedRevision)]
    split = SplitRowGroups(revisions=digested, file_options=platform.lake.file_options)
    answers = _run(engine, split) if split.count else NO_ANSWERS
    unavailable = answers["unavailable"].drop_nulls()
    if len(unavailable):
        raise LakeUnavailable(f"a worker of the engine: {unavailable[0]}")
    numbers = itertools.count()
    return [
        work if isinstance(work, str) else _read_result(work, answers, next(numbers))
        for work in works
    ]


def _plan_work(
    platform: Platform, revision: LakeRevision, recorded: TableDigest
) -> DigestedRevision | str:
    """Return what the workers need for a revision, or say that the lake does not have it."""
    try:
        row_groups = platform.lake.list_row_groups(revision.table, revision.snapshot_id)
    except SnapshotDamaged as exc:
        return exc.message
    return DigestedRevision(
        key=platform.catalog.entity.key,
        types={column.name: column.type for column in recorded.columns},
        shards=choose_shard_count(recorded.rows),
        row_groups=tuple(row_groups),
    )


def _read_result(
    revision: DigestedRevision, answers: pl.DataFrame, number: int
) -> TableDigest | str:
    """Return the digest of a revision, or what was wrong with one of its files."""
    rows = answers.filter(pl.col("revision") == number)
    damages = rows["damage"].drop_nulls().sort()
    return str(damages[0]) if len(damages) else read_digest(revision, rows)


def _run(engine: SparkEngine, split: SplitRowGroups) -> pl.DataFrame:
    """Return a row for each shard of each revision, and for each row group that was not read."""
    checked_split = check_installation(split, READING_PACKAGES)
    runs = engine.name(make_rows(engine, checked_split, split.count, RUN_COLUMNS))
    digest = check_installation(DigestShards(revisions=split.revisions), READING_PACKAGES)
    statement = BRING_TOGETHER.format(runs=runs)
    return engine.read(map_rows(engine, statement, digest, SHARD_COLUMNS))
