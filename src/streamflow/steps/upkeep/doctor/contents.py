"""Checks of what the database holds: migration, tables, drops, prediction log, live features."""

from __future__ import annotations

from streamflow.database import connect
from streamflow.errors import NotMigrated, SnapshotMissing
from streamflow.features.materialize import find_stale_views
from streamflow.platform import Platform, require_migrated
from streamflow.steps.upkeep.doctor.finding import Finding, State, ok_or_wrong
from streamflow.warehouse import database_checks, prediction_log_months
from streamflow.warehouse.drops import delivered_files
from streamflow.warehouse.migrate import plan_changes


def check_migration(platform: Platform) -> Finding:
    """Check that the database is what the code and the catalog ask for."""
    try:
        require_migrated(platform)
    except NotMigrated as error:
        return Finding(
            subject="migration",
            state=State.WRONG,
            text=error.message,
            remedy=error.remedy,
            fixable=True,
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
