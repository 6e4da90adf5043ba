"""doctor: check whether this installation has everything that it needs.

Each subject has one function, in the modules of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from streamflow.catalog import DEFAULT_PATH
from streamflow.database import data_folder
from streamflow.errors import DatabaseUnavailable, StreamflowError
from streamflow.platform import Platform, open_platform
from streamflow.settings import Settings
from streamflow.steps.upkeep.doctor import contents, machine, server, vendors
from streamflow.steps.upkeep.doctor.engine import check_engine
from streamflow.steps.upkeep.doctor.finding import Finding, State, describe_error, run_check
from streamflow.steps.upkeep.doctor.fix import repair
from streamflow.warehouse import installation
from streamflow.warehouse.lake_revisions import has_lake_tables

__all__ = ["Finding", "doctor", "repair"]

MACHINE_CHECKS = {
    "Python": machine.check_python,
    "versions": machine.check_versions,
    "paths": machine.check_paths,
    "catalog": machine.check_catalog,
    "inbox": machine.check_inbox,
    "disk": machine.check_disk,
    "home": machine.check_home,
    "port": machine.check_port,
    "leftovers": machine.check_leftovers,
    "engine": check_engine,
}
# These checks of the database do not need the catalog.
CATALOGLESS_CHECKS = {"roles": server.check_roles, "protection": server.check_protection}
CATALOG_CHECKS = {
    "tables": contents.check_tables,
    "drops": contents.check_drops,
    "live features": contents.check_live_features,
    "forgotten keys": contents.check_forgotten_keys,
    "prediction log": contents.check_prediction_log,
    "feature files": vendors.check_feature_files,
    "Feast registry": vendors.check_feature_registry,
    "MLflow": vendors.check_mlflow,
    "model files": vendors.check_model_files,
    "model registry": vendors.check_registry,
    "Production": vendors.check_production,
}


def doctor(settings: Settings, *, now: Callable[[], datetime], full: bool = False) -> list[Finding]:
    """Check the machine, the server, the content of the database and the vendors' parts.

    Nothing is changed, and an error in one check does not hide the results of the others.

    Args:
        now: Returns the time of this machine's clock, with a time zone.
        full: Compare all frozen rows with their digests, not only the newest ones.
    """
    findings = [
        run_check(subject, partial(check, settings)) for subject, check in MACHINE_CHECKS.items()
    ]
    has_catalog = not any(finding.is_wrong for finding in findings if finding.subject == "catalog")
    try:
        findings += _check_database(settings, has_catalog, now, full)
    except StreamflowError as error:
        findings.append(describe_error("PostgreSQL", error))
    return findings


def _check_database(
    settings: Settings,
    has_catalog: bool,
    now: Callable[[], datetime],
    full: bool,
) -> Iterator[Finding]:
    """Check the database server, and what it holds."""
    if settings.database_url is None and not data_folder(settings.home.absolute()).is_dir():
        yield from _describe_new_folder(has_catalog)
        return
    # The server can be checked with any catalog.
    usable_settings = settings
    if not has_catalog:
        usable_settings = settings.model_copy(update={"catalog": DEFAULT_PATH})
    with open_platform(usable_settings, must_be_migrated=False) as platform:
        yield run_check("PostgreSQL", partial(server.check_server, platform))
        try:
            state = installation.read_installation(platform.login)
        except DatabaseUnavailable:
            return  # the finding above says why
        if has_catalog:
            yield run_check("migration", partial(contents.check_migration, platform))
        if state is not None:
            yield from _check_contents(platform, has_catalog, now, full)


def _describe_new_folder(has_catalog: bool) -> Iterator[Finding]:
    """Describe a state folder in which nothing was made yet."""
    yield Finding(
        subject="PostgreSQL",
        state=State.OK,
        text="embedded, not made yet: the first command makes it",
    )
    yield Finding(
        subject="migration",
        state=State.WRONG,
        text="nothing is here yet",
        remedy="Run 'streamflow run DIR --as-of D' with your first drop, or 'streamflow migrate'.",
        fixable=has_catalog,
    )


def _check_contents(
    platform: Platform,
    has_catalog: bool,
    now: Callable[[], datetime],
    full: bool,
) -> Iterator[Finding]:
    """Check a database that holds something of streamflow."""
    yield run_check("clock", partial(server.check_clock, platform, now))
    checks = dict(CATALOGLESS_CHECKS)
    if has_catalog:
        checks |= {**CATALOG_CHECKS, "frozen rows": partial(contents.check_frozen_rows, full=full)}
        if has_lake_tables(platform.connection):
            checks["lake"] = contents.check_lake
    for subject, check in checks.items():
        yield run_check(subject, partial(check, platform))
