"""Open and close the platform.

No other module puts settings, database, features and models together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from streamflow.database import (
    adbc,
    attach,
    from_url,
    read_server_log_end,
    translate_errors,
)
from streamflow.files.home_catalog import load_home_catalog, refresh_copy
from streamflow.files.home_location import read_former_home, record_home
from streamflow.migration_checks import check_migrated, require_installation
from streamflow.platform.connections import ARTIFACTS, NO_ROLE, Platform, StepObserver
from streamflow.settings import Settings, temporary_environment
from streamflow.warehouse.roles import WRITER

DATABASE = "streamflow"  # on the embedded server; on a server of yours the URL names it


@contextmanager
def open_platform(
    settings: Settings,
    *,
    notify: Callable[[str], None] = lambda _: None,
    must_be_migrated: bool = True,
    role: str = WRITER,
    observer: StepObserver | None = None,
) -> Iterator[Platform]:
    """Start or reach PostgreSQL, yield the platform, and close everything at the end.

    Args:
        settings: of this installation
        notify: called with each line of progress
        must_be_migrated: raise NotMigrated or DifferentCatalog unless the database is migrated
        role: the database role of every part, the vendors' tools included
        observer: surrounds each run of a step

    Raises:
        NotMigrated: there is no installation, or code or catalog need a different schema
        DifferentCatalog: the database was migrated with a different catalog
        SettingsInvalid: a setting needs money that is not set
    """
    if must_be_migrated:
        require_installation(settings)
    with ExitStack() as closing:
        platform = replace(_wire(settings, notify, closing, role), observer=observer)
        attachment = platform.attachment
        read_log_end = partial(read_server_log_end, attachment.folders) if attachment else str
        closing.enter_context(translate_errors(platform.login, read_log_end))
        _follow_move(platform)
        if must_be_migrated:
            require_migrated(platform)
            refresh_copy(platform.home, platform.catalog_file)
        yield platform


def _wire(
    settings: Settings,
    notify: Callable[[str], None],
    closing: ExitStack,
    role: str,
) -> Platform:
    """Make the platform; `closing` closes what it opens."""
    catalog_file = load_home_catalog(settings.home.absolute(), settings.catalog)
    for note in catalog_file.list_notes():
        notify(note)
    attachment = None
    if settings.database_url is None:
        attachment = closing.enter_context(attach(settings.home.absolute(), notify=notify))
        login = attachment.address.with_database(DATABASE)
    else:
        login = from_url(settings.database_url.get_secret_value())
    platform = Platform(
        settings=settings,
        catalog=catalog_file.catalog,
        catalog_file=catalog_file,
        login=login.with_role(NO_ROLE),
        address=login.with_role(role),
        attachment=attachment,
        notify=notify,
        _closing=closing,
    )
    closing.enter_context(temporary_environment(platform.environment))
    closing.enter_context(adbc.keep_connections(platform.address))
    return platform


def _follow_move(platform: Platform) -> None:
    """Let MLflow's locations follow a state folder that was renamed or copied since its last use.

    A copy whose database is on a server of yours is left alone: its original uses the same one.
    """
    from streamflow.models.relocation import relocate_artifacts

    home = platform.home
    former = read_former_home(home)
    if former is not None:
        if platform.attachment is None and former.exists():
            return
        address = platform.login.with_role(WRITER)
        mlflow = address.with_database(platform.settings.mlflow_database)
        if relocate_artifacts(mlflow, former / ARTIFACTS, home / ARTIFACTS):
            platform.notify(f"this state folder was {former}: MLflow's locations name {home} now")
    record_home(home)


def require_migrated(platform: Platform) -> None:
    """Raise NotMigrated or DifferentCatalog unless the database fits code and catalog."""
    check_migrated(platform.login, platform.catalog_file)
