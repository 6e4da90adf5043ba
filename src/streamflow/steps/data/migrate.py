"""migrate: bring PostgreSQL, MLflow and Feast to what the code and the catalog ask for."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import psycopg

from streamflow.core.data.counts import count_of
from streamflow.database import connect, ensure_database
from streamflow.errors import DatabaseInUse
from streamflow.features.feature_service import features_of
from streamflow.features.registry_content import find_missing
from streamflow.features.registry_results import AppliedObjects
from streamflow.files.home_catalog import HomeCatalog, remember_catalog
from streamflow.migration_checks import require_same_source
from streamflow.models.mlflow_client import is_database
from streamflow.platform import Platform, require_migrated
from streamflow.receipt import Receipt
from streamflow.steps.stages.old_versions import describe_changed_defaults, describe_old_versions
from streamflow.warehouse import installation
from streamflow.warehouse.migrate import (
    grant_database,
    lock_migration,
    migrate_tables,
    plan_changes,
)
from streamflow.warehouse.prediction_log_months import create_months
from streamflow.warehouse.sessions import describe_other_sessions


@dataclass(frozen=True, kw_only=True)
class MigrateReceipt(Receipt):
    """The changes that were made, or that `--plan` would make; empty when nothing is missing.

    notes   versions in use that an earlier release trained, and what cannot be done with them;
            defaults that have changed since the last retraining
    """

    changes: tuple[str, ...]
    planned: bool = False
    notes: tuple[str, ...] = ()


def migrate(
    platform: Platform,
    *,
    change_catalog: bool = False,
    require_stopped: bool = False,
) -> MigrateReceipt:
    """Make every change that is missing, and drop nothing. A second call changes nothing.

    Args:
        change_catalog: also if the catalog comes from a different source than at the last call
        require_stopped: change nothing while other programs are connected

    Raises:
        DatabaseInUse: something has to change, other programs of the same database user are
            connected, and `require_stopped` is True
        DifferentCatalog: it does, and `change_catalog` is False
        PermissionMissing: the login user lacks a permission; the error holds the SQL to run.
        CatalogInvalid: a column changed its type.
        NotMigrated: a restore was interrupted.
        FeatureFileInvalid: a file with Feast objects of the owner cannot be used. The tables are
            migrated, and Feast's registry is as it was.
    """
    login = platform.login
    changes = []
    if ensure_database(login, login.database):
        changes.append(f"database {login.database}")
    with connect(login, autocommit=True) as connection, lock_migration(connection):
        if require_stopped:
            _require_stopped(platform, connection, change_catalog=change_catalog)
        changes += _migrate(platform, change_catalog=change_catalog)
    # An MLflow server may start only after this migration. `--plan` asks it.
    has_store = is_database(platform.tracking_uri)
    notes = _describe_versions(platform) if has_store else ()
    return MigrateReceipt(changes=tuple(changes), notes=notes)


def _describe_versions(platform: Platform) -> tuple[str, ...]:
    """Describe what this release does differently with versions of an earlier one."""
    return (*describe_old_versions(platform), *describe_changed_defaults(platform))


def _migrate(platform: Platform, *, change_catalog: bool) -> list[str]:
    """Make the missing changes inside the database; the caller holds the lock."""
    settings = platform.settings
    login = platform.login
    # This raises if an interrupted restore has not been completed.
    former = installation.read_installation(login)
    if not change_catalog:
        _require_catalog(platform, former)
    changes = []
    if ensure_database(login, settings.mlflow_database):
        changes.append(f"database {settings.mlflow_database}")
    changes += migrate_tables(login, platform.catalog)
    grant_database(login, settings.mlflow_database)
    changes += create_months(platform.connection)
    if platform.models.migrate():
        changes.append("MLflow's tables")
    state = installation.read_installation(login)
    features = [asdict(feature) for feature in features_of(platform.catalog)]
    installation.add_feature_service(platform.connection, platform.catalog.service, features)
    services = platform.read_services()
    platform.features.write(services)
    digest = platform.features.digest(services)
    is_changed = state is None or state.repository_digest != digest
    if is_changed or find_missing(platform.connection, platform.catalog, services):
        platform.notify("applying the feature repository")
        changes += _describe_registry(platform, platform.features.apply())
    installation.record_installation(
        platform.connection,
        catalog_digest=platform.catalog.digest,
        repository_digest=digest,
    )
    changes += _describe_source(platform.catalog_file)
    remember_catalog(platform.home, platform.catalog_file)
    return changes


def _require_stopped(
    platform: Platform,
    connection: psycopg.Connection,
    *,
    change_catalog: bool,
) -> None:
    """Raise DatabaseInUse if something has to change while other programs are connected."""
    databases = (platform.login.database, platform.settings.mlflow_database)
    sessions = describe_other_sessions(connection, databases)
    if not sessions:
        return
    changes = plan_migration(platform, change_catalog=change_catalog).changes
    if not changes and not _has_old_tables(platform):
        return
    raise DatabaseInUse(f"the database has to be changed, and it is in use: {'; '.join(sessions)}")


def _has_old_tables(platform: Platform) -> bool:
    """Return whether MLflow's tables have a different version than the installed MLflow needs."""
    schema = platform.models.schema_versions()
    return schema is not None and schema[0] != schema[1]


def _require_catalog(platform: Platform, former: installation.MigratedState | None) -> None:
    """Raise DifferentCatalog if this catalog is not that of the installation, nor its new text."""
    if former is None:
        return
    is_migrated = former.catalog_digest == platform.catalog.digest
    if not is_migrated or platform.catalog_file.replaces_former:
        require_same_source(platform.catalog_file)


def _describe_source(catalog_file: HomeCatalog) -> list[str]:
    """Say that the catalog of the installation comes from a different source from now on."""
    former = catalog_file.former_source
    if not former or catalog_file.is_same_source:
        return []
    return [f"the catalog of this installation: {catalog_file.name}, before {former}"]


def _describe_registry(platform: Platform, applied: AppliedObjects) -> list[str]:
    """Describe what was written to the Feast registry, and what was removed."""
    views = count_of(len(platform.catalog.views), "view")
    lines = [f"Feast registry: {views}, service {platform.catalog.service}"]
    if applied.own_objects:
        lines.append(f"Feast registry, your own: {', '.join(applied.own_objects)}")
    if applied.removed:
        lines.append(f"Feast registry, removed: {', '.join(applied.removed)}")
    return lines


def plan_migration(platform: Platform, *, change_catalog: bool = False) -> MigrateReceipt:
    """Return the changes that `migrate` would make; make none of them.

    Raises:
        DifferentCatalog: as `migrate`
    """
    state = installation.read_installation(platform.login)
    if state is None:
        return MigrateReceipt(
            changes=("everything: this database holds nothing of streamflow yet",),
            planned=True,
        )
    if not change_catalog:
        _require_catalog(platform, state)
    changes = plan_changes(platform.login, platform.catalog)
    if platform.catalog.service not in platform.read_services():
        changes.append(f"Feast registry: a new service {platform.catalog.service}")
    elif state.catalog_digest != platform.catalog.digest:
        changes.append("record the changed catalog")
    elif state.repository_digest != platform.features.digest(platform.read_services()):
        changes.append("Feast registry: apply the changed definitions")
    missing = find_missing(platform.connection, platform.catalog, platform.read_services())
    changes += [f"Feast: missing {name}" for name in missing]
    changes += _describe_source(platform.catalog_file)
    notes = _describe_versions(platform)
    return MigrateReceipt(changes=tuple(changes), planned=True, notes=notes)


def ensure_migrated(platform: Platform) -> None:
    """Migrate a database that holds nothing of streamflow yet; refuse one that is out of date.

    Raises:
        NotMigrated: the database has content, but it is not what the catalog asks for.
    """
    if installation.read_installation(platform.login) is None:
        platform.notify("this database is empty: migrating it")
        migrate(platform)
    require_migrated(platform)
