"""Add up a scored drop once, for the pages that show it, and count who left when labels come."""

from __future__ import annotations

from itertools import groupby

from streamflow.core.serving.segments import list_segment_columns
from streamflow.database.known_at import current_known_at
from streamflow.platform import Platform
from streamflow.steps.data.frozen_checks import load_intact
from streamflow.steps.data.loaded_rows import load
from streamflow.steps.serving.score_task import ScoreTask
from streamflow.warehouse import frozen, score_summaries
from streamflow.warehouse.known_drops import KnownDrops, read_known_drops
from streamflow.warehouse.score_pages import ScoredDrop, read_newest_drops
from streamflow.warehouse.score_summaries import FrozenSource
from streamflow.warehouse.scores import ScoreRun

# The scored drops whose outcome is counted when labels come: two years of months.
DROPS_WITH_OUTCOME = 24


def summarize(platform: Platform, task: ScoreTask, run: ScoreRun) -> None:
    """Add up a scored drop unless that is done, and count the outcomes of all scored drops.

    A call that was interrupted is completed by the next one. So is a drop that was added up before
    the catalog declared one of its segment columns.
    """
    connection = platform.connection
    passport = task.record.passport
    with connection.transaction():
        score_summaries.expect_whole_drops(connection)
        _add_segments(platform, run)
        if not score_summaries.has_summary(connection, run.id):
            score_summaries.add_summary(
                connection,
                run.id,
                trained_as_of=passport.as_of,
                label_lead=passport.label_lead,
            )
    count_outcomes(platform)


def _add_segments(platform: Platform, run: ScoreRun) -> None:
    """Add up the scores for each category of each segment column that is not added up yet."""
    present_names = score_summaries.list_segment_names(platform.connection, run.id)
    columns = [
        column
        for column in list_segment_columns(platform.catalog)
        if column.name not in present_names
    ]
    if not columns:
        return
    platform.notify("adding up the scores of each segment")
    newest = frozen.revisions(platform.connection, known_at=run.known_at, last=run.as_of)
    revisions = {rev.table: rev for rev in newest if rev.as_of == run.as_of}
    columns.sort(key=lambda column: column.table)
    for table, table_columns in groupby(columns, key=lambda column: column.table):
        if table not in revisions:
            continue
        source = FrozenSource(
            table=table,
            key=platform.catalog.entity.key,
            as_of=run.as_of,
            revision=revisions[table].revision,
        )
        load_intact(platform, [revisions[table]], state="The scores are stored.")
        score_summaries.add_segments(platform.connection, run.id, source, list(table_columns))


def count_outcomes(platform: Platform) -> None:
    """Count who left, for each scored drop whose labels have come or were corrected."""
    model = platform.catalog.model
    drops = read_newest_drops(platform.connection, model, limit=DROPS_WITH_OUTCOME)
    known_at = current_known_at(platform.connection)
    known_drops = read_known_drops(platform.connection, platform.catalog, known_at=known_at)
    for drop in drops:
        source = _label_source(platform, drop, known_drops)
        if source is not None:
            label = platform.catalog.label.column
            load(platform, [(source.table, source.as_of, source.revision)])
            with platform.connection.transaction():
                score_summaries.expect_whole_drops(platform.connection)
                score_summaries.add_outcome(platform.connection, drop.id, source, label)


def _label_source(
    platform: Platform,
    drop: ScoredDrop,
    known_drops: KnownDrops,
) -> FrozenSource | None:
    """Return the revision that has the labels of a scored drop; None if they have not come."""
    if drop.label_lead is None:
        return None
    label_as_of = known_drops.find_label_drop(drop.as_of, drop.label_lead)
    for revision in known_drops.revisions:
        if (revision.table, revision.as_of) == (platform.catalog.label.table, label_as_of):
            return FrozenSource(
                table=revision.table,
                key=platform.catalog.entity.key,
                as_of=revision.as_of,
                revision=revision.revision,
            )
    return None
