"""Check that there is an installation, and that its database fits the code and the catalog."""

from __future__ import annotations

from streamflow.database import Address, has_server
from streamflow.errors import DifferentCatalog, NotMigrated
from streamflow.files.home_catalog import HomeCatalog
from streamflow.settings import Settings
from streamflow.warehouse import installation
from streamflow.warehouse.roles import SCHEMA_VERSION


def require_installation(settings: Settings) -> None:
    """Raise NotMigrated if the embedded database was never made; make no folder."""
    home = settings.home.absolute()
    if settings.database_url is None and not has_server(home):
        raise NotMigrated(
            f"there is no installation in {home}",
            state="Nothing was made.",
            remedy="Run the command in the folder where you ran the first one, or name the state"
            " folder with --home. 'streamflow run DIR --as-of D' makes a new installation.",
        )


def check_migrated(login: Address, catalog_file: HomeCatalog) -> None:
    """Check that the database has the schema that the code and the catalog need.

    Raises:
        NotMigrated: it has not.
        DifferentCatalog: it has that of a catalog from a different source.
    """
    installed = installation.read_installation(login)
    if installed is None:
        raise NotMigrated(
            "the database is empty",
            remedy="Run 'streamflow run DIR --as-of D' with your first drop,"
            " or 'streamflow migrate'.",
        )
    if installed.schema_version != SCHEMA_VERSION:
        raise NotMigrated(
            f"the database has schema version {installed.schema_version},"
            f" this code needs {SCHEMA_VERSION}"
        )
    is_migrated = installed.catalog_digest == catalog_file.catalog.digest
    if not is_migrated or catalog_file.replaces_former:
        require_same_source(catalog_file)
    if not is_migrated:
        raise NotMigrated("the catalog has changed since the last 'streamflow migrate'")


def require_same_source(catalog_file: HomeCatalog) -> None:
    """Raise DifferentCatalog unless the last `migrate` read the catalog from the same source.

    A state folder that does not remember its source lets pass a catalog that the user named.
    """
    former = catalog_file.former_source
    if catalog_file.is_same_source or (not former and catalog_file.is_named):
        return
    if not former:
        former = "a different catalog, and the state folder does not say which"
    raise DifferentCatalog(
        f"this installation uses {former}; this command would use {catalog_file.name}"
    )
