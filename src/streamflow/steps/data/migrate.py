"""migrate: bring PostgreSQL, MLflow and Feast to what the code and the catalog ask for."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from streamflow.database import connect, ensure_database
from streamflow.features.feature_service import features_of
from streamflow.platform import Platform, require_migrated
from streamflow.warehouse import installation
from streamflow.warehouse.migrate import alone, grant_database, migrate_tables, plan_changes
from streamflow.warehouse.prediction_log_months import make_months


@dataclass(frozen=True, kw_only=True)
class MigrateReceipt:
    """What was done, or with `--plan` would be; empty when everything is as it should be."""

    changes: tuple[str, ...]
    planned: bool = False


def migrate(platform: Platform) -> MigrateReceipt:
    """Do all that is missing; doing it twice changes nothing. Nothing is ever dropped.

    Raises PermissionMissing with the SQL where the login user may not, CatalogInvalid where a column changed its type,
    NotMigrated after a restore that was interrupted.
    """
    login = platform.login
    done = [f"database {login.database}"] if ensure_database(login, login.database) else []
    with connect(login, autocommit=True) as connection, alone(connection):
        return MigrateReceipt(changes=(*done, *_migrate(platform)))


def _migrate(platform: Platform) -> list[str]:
    settings, login = platform.settings, platform.login
    installation.state(login)  # an interrupted restore has to come to its end first
    done = (
        [f"database {settings.mlflow_database}"]
        if ensure_database(login, settings.mlflow_database)
        else []
    )
    done += migrate_tables(login, platform.catalog)
    grant_database(login, settings.mlflow_database)
    done += make_months(platform.connection)
    if platform.models.migrate():
        done.append("MLflow's tables")
    before = installation.state(login)
    own = [asdict(f) for f in features_of(platform.catalog)]
    installation.add_service(platform.connection, platform.catalog.service, own)
    services = platform.services()
    platform.features.write(services)
    digest = platform.features.digest(services)
    if before is None or before.repository_digest != digest:
        platform.notify("applying the feature repository")
        platform.features.apply()
        done.append(
            f"Feast registry: {len(platform.catalog.views)} views, service {platform.catalog.service}"
        )
    installation.record(
        platform.connection, catalog_digest=platform.catalog.digest, repository_digest=digest
    )
    return done


def plan(platform: Platform) -> MigrateReceipt:
    """What `migrate` would do; changes nothing."""
    before = installation.state(platform.login)
    if before is None:
        return MigrateReceipt(
            changes=("everything: this database holds nothing of streamflow yet",), planned=True
        )
    changes = plan_changes(platform.login, platform.catalog)
    if platform.catalog.service not in platform.services():
        changes.append(f"Feast registry: a new service {platform.catalog.service}")
    elif before.catalog_digest != platform.catalog.digest:
        changes.append("record the changed catalog")
    return MigrateReceipt(changes=tuple(changes), planned=True)


def ensure_migrated(platform: Platform) -> None:
    """Migrate a database that holds nothing of ours yet; one with content must be what the catalog asks for."""
    if installation.state(platform.login) is None:
        platform.notify("this database is empty: migrating it")
        migrate(platform)
    require_migrated(platform)
