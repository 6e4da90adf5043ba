"""Let MLflow's tables name the artifacts of a state folder that was renamed or copied."""

from __future__ import annotations

from pathlib import Path

from streamflow.database import Address, connect, is_absent_database
from streamflow.errors import DatabaseUnavailable
from streamflow.models.artifact_locations import local_prefixes, rewrite_statements

TABLES_QUERY = "SELECT to_regclass('public.logged_models') IS NOT NULL"


def relocate_artifacts(address: Address, former: Path, current: Path) -> bool:
    """Replace the folder of the artifacts in every location that MLflow stores.

    A second call changes nothing.

    Args:
        address: MLflow's database, as a role that may change its tables.
        former: the folder that the locations name.
        current: the folder in which the files lie now.

    Returns:
        False if MLflow has no tables there.
    """
    try:
        connection = connect(address)
    except DatabaseUnavailable as exc:
        if is_absent_database(exc):
            return False
        raise
    with connection:
        if connection.execute(TABLES_QUERY).fetchone() != (True,):
            return False
        connection.execute(rewrite_statements(local_prefixes(former), current.as_uri()))
    return True
