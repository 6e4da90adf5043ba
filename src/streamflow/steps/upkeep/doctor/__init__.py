"""doctor: what this installation needs, and whether it has it. One function per subject, in the modules of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from streamflow.database import data_folder
from streamflow.errors import DatabaseUnavailable, StreamflowError
from streamflow.platform import Platform, open_platform
from streamflow.settings import Settings
from streamflow.steps.upkeep.doctor import contents, machine, server, vendors
from streamflow.steps.upkeep.doctor.finding import Finding, looked_at, of_error
from streamflow.steps.upkeep.doctor.fix import mend
from streamflow.warehouse import installation

__all__ = ["Finding", "doctor", "mend"]

MACHINE = {
    "Python": machine.python, "versions": machine.versions, "paths": machine.paths, "catalog": machine.catalog,
    "inbox": machine.inbox, "disk": machine.disk, "home": machine.home, "port": machine.port, "leftovers": machine.left,
}  # fmt: skip
CATALOGLESS = {"roles": server.roles, "protection": server.protection}
MIGRATED = {
    "tables": contents.drift, "drops": contents.drops, "live features": contents.live, "prediction log": contents.prediction_log,
    "feature files": vendors.feature_files, "Feast registry": vendors.feature_registry, "MLflow": vendors.mlflow,
    "Production": vendors.production,
}  # fmt: skip


def doctor(settings: Settings, *, now: Callable[[], datetime]) -> list[Finding]:
    """Look at the machine, the server, what the database holds and the vendors; changes nothing, and no error hides the rest."""
    findings = [looked_at(subject, partial(look, settings)) for subject, look in MACHINE.items()]
    readable = all(finding.ok for finding in findings if finding.subject == "catalog")
    try:
        findings += _database(settings, readable, now)
    except StreamflowError as error:
        findings.append(of_error("PostgreSQL", error))
    return findings


def _database(settings: Settings, readable: bool, now: Callable[[], datetime]) -> Iterator[Finding]:
    if settings.database_url is None and not data_folder(settings.home.absolute()).is_dir():
        yield Finding(
            subject="PostgreSQL",
            ok=True,
            found="embedded, not made yet: the first command makes it",
        )
        remedy = "Run 'streamflow run DIR --as-of D' with your first drop, or 'streamflow migrate'."
        yield Finding(
            subject="migration",
            ok=False,
            found="nothing is here yet",
            remedy=remedy,
            fixable=readable,
        )
        return
    usable = (
        settings if readable else settings.model_copy(update={"catalog": None})
    )  # the server can be looked at without it
    with open_platform(usable, migrated=False) as platform:
        yield looked_at("PostgreSQL", partial(server.server, platform))
        try:
            found = installation.state(platform.login)
        except DatabaseUnavailable:
            return  # the finding above says why
        if readable:
            yield looked_at("migration", partial(contents.migration, platform))
        if found is not None:
            yield from _contents(platform, readable, now)


def _contents(platform: Platform, readable: bool, now: Callable[[], datetime]) -> Iterator[Finding]:
    """What can be asked of a database that holds something of ours."""
    yield looked_at("clock", partial(server.clock, platform, now))
    for subject, look in {**CATALOGLESS, **(MIGRATED if readable else {})}.items():
        yield looked_at(subject, partial(look, platform))
