"""The locations of files in MLflow's tables.

MLflow stores absolute locations, which name the folder that the files were written to. When the
artifacts move to a different folder, the locations have to be rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from streamflow.models.mlflow_client import is_database

# An MLflow server answers for these locations. It keeps the files below the same folder.
PROXIED = "mlflow-artifacts:"
# Table, column, and condition on the rows: all columns of MLflow's tables that hold a location.
LOCATION_COLUMNS = (
    ("experiments", "artifact_location", "true"),
    ("runs", "artifact_uri", "true"),
    ("logged_models", "artifact_location", "true"),
    ("model_versions", "source", "true"),
    ("model_versions", "storage_location", "true"),
    ("trace_tags", "value", "key = 'mlflow.artifactLocation'"),
)
# These are not locations, but names that MLflow looks up.
BY_NAME = ("models:/", "runs:/")

VERSIONS_QUERY = """
SELECT v.name, v.version, v.current_stage,
    coalesce(v.storage_location, v.source, ''), coalesce(t.value, '')
FROM public.model_versions v
LEFT JOIN public.model_version_tags t
    ON t.workspace = v.workspace AND t.name = v.name AND t.version = v.version
    AND t.key = 'model_digest'
WHERE v.current_stage <> 'Deleted_Internal' ORDER BY v.name, v.version
"""
SCHEMA_QUERY = "SELECT max(version_num) FROM public.alembic_version"
# Tables, columns and conditions are constants of this module.
LOCATIONS_QUERY = " UNION ".join(
    f"SELECT {column} FROM public.{table} WHERE {column} IS NOT NULL AND {condition}"  # noqa: S608
    for table, column, condition in LOCATION_COLUMNS
)


def location_prefixes(folder: Path) -> tuple[str, ...]:
    """Return all beginnings that the location of a file below `folder` can have."""
    return *local_prefixes(folder), PROXIED


def local_prefixes(folder: Path) -> tuple[str, str]:
    """Return the beginnings of a location that name the files of `folder` on this machine."""
    return folder.as_uri(), str(folder)


def location_prefix(tracking_uri: str, folder: Path) -> str:
    """Return the beginning that MLflow gives to the location of a new file below `folder`.

    It depends on whether MLflow is a server, because a server hands out the files itself.
    """
    return folder.as_uri() if is_database(tracking_uri) else PROXIED


def artifact_variables(artifact_root: str, folder: Path) -> dict[str, str]:
    """Return the variables that tell an MLflow server where files are, and which it hands out.

    Args:
        artifact_root: where new experiments keep their artifacts.
        folder: the artifacts' folder, which holds them if they are named by way of the server.

    >>> list(artifact_variables("s3://b/1", Path("/srv/artifacts")).values())
    ['s3://b/1', 's3://b/1']
    >>> list(artifact_variables("mlflow-artifacts:/", Path("/srv/artifacts")).values())
    ['mlflow-artifacts:/', 'file:///srv/artifacts']
    """
    is_proxied = artifact_root.startswith(PROXIED)
    return {
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": artifact_root,
        "MLFLOW_ARTIFACTS_DESTINATION": folder.as_uri() if is_proxied else artifact_root,
    }


def relative_path(location: str, beginnings: Iterable[str]) -> str | None:
    """Return the path below the artifacts' folder that a location means.

    Returns:
        None when the location is not below the folder.

    >>> relative_path("file:///old/artifacts/e%20f/1", ["file:///old/artifacts"])
    'e f/1'
    >>> relative_path("s3://b/1", ["mlflow-artifacts:"]) is None
    True
    """
    beginning = next((text for text in beginnings if location.startswith(f"{text}/")), None)
    if beginning is None:
        return None
    path = location.removeprefix(beginning).lstrip("/")
    is_plain_path = beginning.startswith("/")
    return path if is_plain_path else unquote(path)


def rewrite_statements(beginnings: Sequence[str], target: str) -> str:
    """Return the SQL that replaces the beginning of locations in all of MLflow's tables.

    Args:
        beginnings: the old beginnings.
        target: the new beginning.
    """
    statements = []
    changed_beginnings = [beginning for beginning in beginnings if beginning != target]
    for table, column, condition in LOCATION_COLUMNS:
        for beginning in changed_beginnings:
            statement = _compose_update(
                table,
                column,
                condition,
                beginning,
                target,
            )
            statements.append(statement)
    return "\n".join(statements)


def _compose_update(table: str, column: str, condition: str, beginning: str, target: str) -> str:
    """Compose the UPDATE that replaces one beginning in one column."""
    is_equal = f"{column} = {_quote(beginning)}"
    is_below = f"starts_with({column}, {_quote(beginning + '/')})"
    remainder = f"substr({column}, {len(beginning) + 1})"
    # The texts are quoted. Table, column and condition are constants of this module.
    return (
        f"UPDATE public.{table} SET {column} = {_quote(target)} || {remainder}"  # noqa: S608
        f" WHERE ({is_equal} OR {is_below}) AND {condition};"
    )


def local_path(location: str) -> Path | None:
    """Return the file or folder of this machine that a location names.

    Returns:
        None when the location is in a different store, such as s3://bucket.

    >>> local_path("file:///old/artifacts/e%20f/1")
    PosixPath('/old/artifacts/e f/1')
    >>> local_path("s3://b/1") is None
    True
    """
    url = urlsplit(location)
    if url.scheme == "file":
        return Path(unquote(url.path))
    return Path(location) if location.startswith("/") else None


def find_outside_stores(locations: Iterable[str], beginnings: Sequence[str]) -> list[str]:
    """Return the stores of files outside of the artifacts' folder, such as s3://bucket.

    >>> find_outside_stores(["s3://b/1", "s3://b/2", "models:/m-1", "file:///a/1"], ["file:///a"])
    ['s3://b']
    """
    outside = [
        location
        for location in locations
        if not location.startswith(BY_NAME)
        and location not in beginnings
        and relative_path(location, beginnings) is None
    ]
    return sorted({_find_store(location) for location in outside})


def _find_store(location: str) -> str:
    """Return scheme and host of a location, without the password that a URL may contain."""
    url = urlsplit(location)
    return f"{url.scheme}://{url.hostname or ''}" if url.hostname else location


def _quote(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
