"""Checks of the database server: the server, its clock, its roles, and the protection of rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from streamflow.database import Address, connect, guard_is_alive, server_version
from streamflow.platform import Platform
from streamflow.steps.upkeep.doctor.finding import Finding, ok_or_wrong
from streamflow.warehouse import database_checks
from streamflow.warehouse.roles import missing_roles_sql

# Longer than a request takes, and too short to do any harm: a convention.
MAX_CLOCK_DIFFERENCE_S = 5.0


def check_server(platform: Platform) -> Finding:
    """Check that the server answers, and that the guard that will stop an embedded one is alive."""
    owner = "yours"
    is_guarded = True
    if platform.attachment is not None:
        is_guarded = guard_is_alive(platform.attachment)
        owner = f"embedded, its guard {'is alive' if is_guarded else 'is gone'}"
    with connect(_server_address(platform)) as connection:
        text = f"{server_version(connection)} ({owner}) at {platform.login.display}"
    return Finding(
        subject="PostgreSQL",
        state=ok_or_wrong(is_guarded),
        text=text,
        remedy="End the processes that use it; the next command starts a guard.",
    )


def _server_address(platform: Platform) -> Address:
    """Return the address of a database that exists on this server, even before the migration."""
    return platform.login if platform.attachment is None else platform.attachment.address


def check_clock(platform: Platform, now: Callable[[], datetime]) -> Finding:
    """Compare this machine's clock with the database's, and the newest known_at with both."""
    with connect(platform.login, autocommit=True) as connection:
        start = now()
        database_time, newest_known_at = database_checks.read_clocks(connection)
        # The database read its clock at about the middle of the request.
        machine_time = start + (now() - start) / 2
    difference_s = abs((database_time - machine_time).total_seconds())
    is_ahead = newest_known_at is not None and newest_known_at > database_time
    text = f"{difference_s:.1f} s from the database's"
    if is_ahead:
        text += f"; the newest known_at, {newest_known_at}, is ahead of it"
    return Finding(
        subject="clock",
        state=ok_or_wrong(difference_s <= MAX_CLOCK_DIFFERENCE_S and not is_ahead),
        text=text,
        remedy="Set both clocks by NTP. What is frozen until then gets a known_at after the newest "
        "one, so the order stays right.",
    )


def check_roles(platform: Platform) -> Finding:
    """Check that the database roles exist, and that the writer role has its rights."""
    with connect(platform.login, autocommit=True) as connection:
        missing_roles = missing_roles_sql(connection)
        missing_grants = [] if missing_roles else database_checks.missing_grants(connection)
    if missing_roles:
        remedy = "Run 'streamflow migrate'."
    else:
        remedy = f"Let the owner of the tables run: {'; '.join(missing_grants)};"
    return Finding(
        subject="roles",
        state=ok_or_wrong(not missing_roles and not missing_grants),
        text="; ".join(missing_roles or missing_grants) or "present and granted",
        remedy=remedy,
        fixable=bool(missing_roles),
    )


def check_protection(platform: Platform) -> Finding:
    """Check that triggers protect frozen rows, and that the writer role owns no frozen table."""
    with connect(platform.login, autocommit=True) as connection:
        unprotected = database_checks.unprotected_tables(connection)
        owned = database_checks.tables_owned_by_writer(connection)
    problems = [f"{table} has no enabled trigger '{trigger}'" for table, trigger in unprotected]
    problems += [f"{table} is owned by the writer role" for table in owned]
    repairs = [f"ALTER TABLE {table} ENABLE TRIGGER {trigger};" for table, trigger in unprotected]
    repairs += [f'ALTER TABLE {table} OWNER TO "{platform.login.user}";' for table in owned]
    return Finding(
        subject="protection",
        state=ok_or_wrong(not problems),
        text="; ".join(problems) or "every frozen table refuses changes and late rows",
        remedy=f"Find out what was changed in the meantime, then run {' '.join(repairs)}",
    )
