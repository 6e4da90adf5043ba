"""The database server: what runs, its clock, its roles, and what protects the frozen rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from streamflow.database import Address, connect, guard_is_alive, server_version
from streamflow.platform import Platform
from streamflow.steps.upkeep.doctor.finding import Finding
from streamflow.warehouse import database_checks
from streamflow.warehouse.roles import missing_roles_sql

APART_S = 5.0  # more than a request takes and less than any harm; a convention


def server(platform: Platform) -> Finding:
    """Whose it is, its version, and whether somebody will stop it."""
    kind, alive = "yours", True
    if platform.attachment is not None:
        alive = guard_is_alive(platform.attachment)
        kind = f"embedded, its guard {'is alive' if alive else 'is gone'}"
    with connect(_any_database(platform)) as connection:
        found = f"{server_version(connection)} ({kind}) at {platform.login.display}"
    remedy = "End the processes that use it; the next command starts a guard."
    return Finding(subject="PostgreSQL", ok=alive, found=found, remedy=remedy)


def _any_database(platform: Platform) -> Address:
    return platform.login if platform.attachment is None else platform.attachment.address


def clock(platform: Platform, now: Callable[[], datetime]) -> Finding:
    """This machine's clock against the database's, and the newest known_at against both."""
    with connect(platform.login, autocommit=True) as connection:
        before = now()
        theirs, newest = database_checks.clocks(connection)
        ours = before + (now() - before) / 2
    apart = abs((theirs - ours).total_seconds())
    ahead = newest is not None and newest > theirs
    found = f"{apart:.1f} s from the database's" + (
        f"; the newest known_at, {newest}, is ahead of it" if ahead else ""
    )
    remedy = "Set both clocks by NTP. What is frozen meanwhile gets a known_at after the newest, and stays in order."
    return Finding(subject="clock", ok=apart <= APART_S and not ahead, found=found, remedy=remedy)


def roles(platform: Platform) -> Finding:
    """The roles, and what the writer may."""
    with connect(platform.login, autocommit=True) as connection:
        missing = missing_roles_sql(connection)
        grants = [] if missing else database_checks.missing_grants(connection)
    remedy = (
        "Run 'streamflow migrate'."
        if missing
        else f"Let the tables' owner run: {'; '.join(grants)};"
    )
    found = "; ".join(missing or grants) or "present and granted"
    return Finding(
        subject="roles",
        ok=not missing and not grants,
        found=found,
        remedy=remedy,
        fixable=bool(missing),
    )


def protection(platform: Platform) -> Finding:
    """The triggers that refuse a change of frozen rows, and that no frozen table is the writer's own."""
    with connect(platform.login, autocommit=True) as connection:
        bare, owned = (
            database_checks.unprotected(connection),
            database_checks.owned_by_writer(connection),
        )
    found = [f"{table} has no enabled trigger" for table in bare] + [
        f"{table} is owned by the writer role" for table in owned
    ]
    mending = [f"ALTER TABLE {table} ENABLE TRIGGER frozen;" for table in bare]
    mending += [f'ALTER TABLE {table} OWNER TO "{platform.login.user}";' for table in owned]
    return Finding(
        subject="protection",
        ok=not found,
        found="; ".join(found) or "every frozen table refuses changes",
        remedy=f"Find out what was changed meanwhile, then run {' '.join(mending)}",
    )
