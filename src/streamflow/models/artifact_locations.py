"""Where MLflow says that files are: absolute locations in its tables, which name the place that they were written at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from streamflow.models.mlflow_client import is_database

PROXIED = (
    "mlflow-artifacts:"  # an MLflow server answers for these; it keeps them below the same folder
)
COLUMNS = (  # table, column, and which rows: all of MLflow's tables that hold a location
    ("experiments", "artifact_location", "true"),
    ("runs", "artifact_uri", "true"),
    ("logged_models", "artifact_location", "true"),
    ("model_versions", "source", "true"),
    ("model_versions", "storage_location", "true"),
    ("trace_tags", "value", "key = 'mlflow.artifactLocation'"),
)
BY_NAME = ("models:/", "runs:/")  # no location, but a name that is looked up

VERSIONS = """
SELECT v.name, v.version, v.current_stage, coalesce(v.storage_location, v.source, ''), coalesce(t.value, '')
FROM public.model_versions v
LEFT JOIN public.model_version_tags t
    ON t.workspace = v.workspace AND t.name = v.name AND t.version = v.version AND t.key = 'model_digest'
WHERE v.current_stage <> 'Deleted_Internal' ORDER BY v.name, v.version
"""
SCHEMA = "SELECT max(version_num) FROM public.alembic_version"
LOCATIONS = " UNION ".join(
    f"SELECT {column} FROM public.{table} WHERE {column} IS NOT NULL AND {rows}"  # names of our own
    for table, column, rows in COLUMNS
)


def roots(folder: Path) -> tuple[str, ...]:
    """All that a location of a file below `folder` can begin with."""
    return folder.as_uri(), str(folder), PROXIED


def root(tracking_uri: str, folder: Path) -> str:
    """What the location of a file below `folder` begins with: an MLflow server hands the files out itself."""
    return folder.as_uri() if is_database(tracking_uri) else PROXIED


def relative(location: str, beginnings: Iterable[str]) -> str | None:
    """The path below the artifacts' folder that a location means; None when it is elsewhere.

    >>> relative("file:///old/artifacts/e%20f/1", ["file:///old/artifacts"]), relative("s3://b/1", ["mlflow-artifacts:"])
    ('e f/1', None)
    """
    found = next((b for b in beginnings if location.startswith(f"{b}/")), None)
    if found is None:
        return None
    rest = location.removeprefix(found).lstrip("/")
    return rest if found.startswith("/") else unquote(rest)


def rewriting(beginnings: Sequence[str], target: str) -> str:
    """The SQL that lets every location that begins as one of `beginnings` begin with `target`."""
    lines = [
        f"UPDATE public.{table} SET {column} = {_quoted(target)} || substr({column}, {len(source) + 1})"  # quoted
        f" WHERE ({column} = {_quoted(source)} OR starts_with({column}, {_quoted(source + '/')})) AND {rows};"
        for table, column, rows in COLUMNS
        for source in beginnings
        if source != target
    ]
    return "\n".join(lines)


def elsewhere(locations: Iterable[str], beginnings: Sequence[str]) -> list[str]:
    """The places of files that lie outside of the artifacts' folder, such as s3://bucket.

    >>> elsewhere(["s3://b/1", "s3://b/2", "models:/m-1", "file:///a/1"], ["file:///a"])
    ['s3://b']
    """
    strange = [
        place for place in locations if not place.startswith(BY_NAME) and place not in beginnings
    ]
    return sorted(
        {_place(location) for location in strange if relative(location, beginnings) is None}
    )


def _place(location: str) -> str:
    parts = urlsplit(location)
    return (
        f"{parts.scheme}://{parts.hostname or ''}" if parts.hostname else location
    )  # never a password of a URL


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
