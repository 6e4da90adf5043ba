"""What the database holds: migrated or not, what drifted from the catalog, drops, live features."""

from __future__ import annotations

from streamflow.database import connect
from streamflow.errors import NotMigrated, SnapshotMissing
from streamflow.features.materialize import stale_views
from streamflow.platform import Platform, require_migrated
from streamflow.steps.upkeep.doctor.finding import Finding
from streamflow.warehouse import database_checks, prediction_log_months
from streamflow.warehouse.drops import delivered
from streamflow.warehouse.migrate import plan_changes


def migration(platform: Platform) -> Finding:
    """Whether the database is what the code and the catalog ask for."""
    try:
        require_migrated(platform)
    except NotMigrated as error:
        return Finding(
            subject="migration", ok=False, found=error.message, remedy=error.remedy, fixable=True
        )
    return Finding(
        subject="migration", ok=True, found="the database is what code and catalog ask for"
    )


def drift(platform: Platform) -> Finding:
    """What the catalog asks for and the tables lack; columns that the catalog has no more are a note."""
    changes = plan_changes(platform.login, platform.catalog)
    with connect(platform.login, autocommit=True) as connection:
        surplus = database_checks.surplus_columns(connection, platform.catalog)
    note = (
        f"note: frozen and no longer in the catalog: {', '.join(surplus)}"
        if surplus
        else "as the catalog says"
    )
    found = f"missing: {'; '.join(changes)}" if changes else note
    return Finding(
        subject="tables",
        ok=not changes,
        found=found,
        remedy="Run 'streamflow migrate'.",
        fixable=True,
    )


def drops(platform: Platform) -> Finding:
    """The drops, and those of which something is not frozen."""
    there, waiting = delivered(platform.connection), database_checks.not_frozen(platform.connection)
    if not there:
        return Finding(
            subject="drops", ok=False, found="none", remedy="Run 'streamflow run DIR --as-of D'."
        )
    missing = "; ".join(
        f"{at:%Y-%m-%d} has no snapshot of {', '.join(tables)}" for at, tables in waiting.items()
    )
    remedy = " ".join(f"Run 'streamflow snapshot --as-of {at:%Y-%m-%d}'." for at in waiting)
    found = missing or f"{len(there)}, newest {max(there):%Y-%m-%d}, all frozen"
    return Finding(subject="drops", ok=not waiting, found=found, remedy=remedy)


def prediction_log(platform: Platform) -> Finding:
    """Whether the log has its months, so that rows need not be moved into them later."""
    lacking = prediction_log_months.lacking(platform.connection)
    found = (
        "; ".join(lacking)
        or "this month and the next one are made, and all rows are in their months"
    )
    return Finding(
        subject="prediction log",
        ok=not lacking,
        found=found,
        remedy="Run 'streamflow migrate'.",
        fixable=True,
    )


def live(platform: Platform) -> Finding:
    """Whether the online store holds the newest frozen drop."""
    try:
        stale = stale_views(platform.connection, platform.catalog, platform.services())
    except SnapshotMissing:
        return Finding(subject="live features", ok=True, found="nothing is frozen yet")
    found = (
        f"not those of the newest snapshot: {', '.join(stale)}"
        if stale
        else "those of the newest snapshot"
    )
    return Finding(
        subject="live features",
        ok=not stale,
        found=found,
        remedy="Run 'streamflow materialize'.",
        fixable=True,
    )
