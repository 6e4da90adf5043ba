"""Checks of what the database holds: migration, tables, drops, prediction log, live features."""

from __future__ import annotations

from itertools import accumulate

from streamflow.core.data.counts import count_of
from streamflow.database import connect
from streamflow.errors import DifferentCatalog, NotMigrated, SnapshotMissing
from streamflow.features.materialize import find_stale_views
from streamflow.platform import Platform, require_migrated
from streamflow.steps.data.frozen_checks import find_damages
from streamflow.steps.data.lake_cleaning import count_unneeded_files
from streamflow.steps.upkeep.doctor.finding import Finding, State, ok_or_wrong
from streamflow.warehouse import (
    database_checks,
    erasures,
    frozen,
    lake_revisions,
    prediction_log_months,
)
from streamflow.warehouse.drops import delivered_files
from streamflow.warehouse.migrate import plan_changes

# Digests of so many rows take less than a second: a convention.
SAMPLED_ROWS = 100_000


def check_migration(platform: Platform) -> Finding:
    """Check that the database is what the code and the catalog ask for."""
    try:
        require_migrated(platform)
    except (NotMigrated, DifferentCatalog) as error:
        return Finding(
            subject="migration",
            state=State.WRONG,
            text=error.message,
            remedy=error.remedy,
            # Nobody but the user knows which of two catalogs is meant.
            fixable=isinstance(error, NotMigrated),
        )
    return Finding(
        subject="migration",
        state=State.OK,
        text="the database is what code and catalog ask for",
    )


def check_tables(platform: Platform) -> Finding:
    """Check that the tables have everything that the catalog asks for.

    Columns that are not in the catalog any longer are only a note.
    """
    state = State.OK
    changes = plan_changes(platform.login, platform.catalog)
    with connect(platform.login, autocommit=True) as connection:
        surplus = database_checks.surplus_columns(connection, platform.catalog)
    if changes:
        state = State.WRONG
        text = f"missing: {'; '.join(changes)}"
    elif surplus:
        state = State.NOTE
        text = f"frozen and no longer in the catalog: {', '.join(surplus)}"
    else:
        text = "as the catalog says"
    return Finding(
        subject="tables",
        state=state,
        text=text,
        remedy="Run 'streamflow migrate'.",
        fixable=True,
    )


def check_drops(platform: Platform) -> Finding:
    """Check that every drop is frozen completely.

    It is only a note that there are no drops: a new installation has none.
    """
    delivered_drops = delivered_files(platform.connection)
    unfrozen = database_checks.drops_without_revision(platform.connection)
    if not delivered_drops:
        return Finding(
            subject="drops",
            state=State.NOTE,
            text="none",
            remedy="Run 'streamflow run DIR --as-of D'.",
        )
    problems = []
    remedies = []
    for as_of, tables in unfrozen.items():
        problems.append(f"{as_of:%Y-%m-%d} has no snapshot of {', '.join(tables)}")
        remedies.append(f"Run 'streamflow snapshot --as-of {as_of:%Y-%m-%d}'.")
    summary = f"{len(delivered_drops)}, newest {max(delivered_drops):%Y-%m-%d}, all frozen"
    return Finding(
        subject="drops",
        state=ok_or_wrong(not unfrozen),
        text="; ".join(problems) or summary,
        remedy=" ".join(remedies),
    )


def check_frozen_rows(platform: Platform, *, full: bool) -> Finding:
    """Check that each revision has its recorded number of rows and its digests.

    All rows are counted. Digests are computed of the newest revisions with at most SAMPLED_ROWS
    rows together, and of all revisions if `full`.
    """
    miscounts = database_checks.describe_miscounts(platform.connection)
    revisions = sorted(
        frozen.all_revisions(platform.connection),
        key=lambda rev: rev.as_of,
        reverse=True,
    )
    totals = accumulate(revision.rows for revision in revisions)
    sampled = [
        revision
        for revision, total in zip(revisions, totals, strict=True)
        if full or total <= SAMPLED_ROWS
    ]
    problems = miscounts + find_damages(platform, sampled)
    scope = "all" if len(sampled) == len(revisions) else f"the newest {len(sampled):,}"
    text = (
        f"{count_of(len(revisions), 'revision')}: all rows are there, digests of {scope} compared"
    )
    return Finding(
        subject="frozen rows",
        state=ok_or_wrong(not problems),
        text="; ".join(problems) or text,
        remedy="Find out who changed them: see 'Frozen rows or a model file were changed' in "
        "docs/operations.md. Rows without a revision: let the owner delete them as the role "
        "streamflow_maintenance.",
    )


def check_lake(platform: Platform) -> Finding:
    """Check that the lake has no file that no revision needs.

    `check_frozen_rows` compares the rows in the lake with their digests.
    """
    unneeded = count_unneeded_files(platform)
    revisions = lake_revisions.revisions_in_lake(platform.connection)
    text = f"{count_of(len(revisions), 'revision')}, every file is needed"
    return Finding(
        subject="lake",
        state=ok_or_wrong(not unneeded),
        text=f"{count_of(unneeded, 'file')} of no revision" if unneeded else text,
        remedy="An interrupted command left them. Run 'streamflow doctor --fix'.",
        fixable=True,
    )


def check_forgotten_keys(platform: Platform) -> Finding:
    """Check that no table holds rows of a key that was erased on request."""
    count = erasures.count_forgotten(platform.connection)
    returned: dict[str, int] = {}
    if count:
        returned = erasures.find_returned_keys(platform.connection, platform.catalog.entity.key)
    problems = [f"{table} has {count_of(rows, 'row')}" for table, rows in returned.items()]
    text = f"of forgotten keys: {', '.join(problems)}"
    return Finding(
        subject="forgotten keys",
        state=ok_or_wrong(not problems),
        text=text if problems else f"{count_of(count, 'key')} forgotten, and no table holds them",
        remedy="Run 'streamflow forget KEY --why W' again for each key that you were asked to"
        " erase. If it says SnapshotDamaged, correct the finding 'frozen rows' first.",
    )


def check_prediction_log(platform: Platform) -> Finding:
    """Check that the prediction log has its months, so that no row must be moved there later."""
    problems = prediction_log_months.describe_missing_months(platform.connection)
    complete = "this month and the next one are made, and all rows are in their months"
    return Finding(
        subject="prediction log",
        state=ok_or_wrong(not problems),
        text="; ".join(problems) or complete,
        remedy="Run 'streamflow migrate'.",
        fixable=True,
    )


def check_live_features(platform: Platform) -> Finding:
    """Check that the online store holds the newest frozen drop."""
    try:
        stale = find_stale_views(platform.connection, platform.catalog, platform.read_services())
    except SnapshotMissing:
        return Finding(subject="live features", state=State.OK, text="nothing is frozen yet")
    if stale:
        text = f"not those of the newest snapshot: {', '.join(stale)}"
    else:
        text = "those of the newest snapshot"
    return Finding(
        subject="live features",
        state=ok_or_wrong(not stale),
        text=text,
        remedy="Run 'streamflow materialize'.",
        fixable=True,
    )
