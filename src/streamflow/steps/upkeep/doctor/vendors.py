"""Checks of Feast's files and registry, of MLflow, and of the version in Production."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from streamflow.core.data.counts import count_of
from streamflow.core.versions.version_files import MODEL
from streamflow.database import connect
from streamflow.errors import ArtifactUntrusted
from streamflow.features.feature_service import all_services, views_of
from streamflow.features.own_files import find_own_folder
from streamflow.features.repository import FeatureRepository
from streamflow.files.home_location import LOCATION_FILE
from streamflow.models.artifact_locations import local_path
from streamflow.models.mlflow_client import is_database
from streamflow.models.model_version import ModelVersion
from streamflow.platform import Platform
from streamflow.steps.stages.transitions import disagreements, version_in_stage
from streamflow.steps.upkeep.backup_content import mlflow_address, read_registered_versions
from streamflow.steps.upkeep.doctor.finding import Finding, State, ok_or_wrong
from streamflow.steps.versions.recorded_artifacts import describe_changed_artifacts
from streamflow.steps.versions.registered_version import read_record

NEW_FILE_PREFIX = "+++ "  # how a line of a unified diff begins that names the file
CHANGED_VERSION_REMEDY = (
    "Somebody changed the version after it was registered, and it will not be served. "
    "Restore a backup, or run 'streamflow promote VERSION' with a different version."
)
DISAGREEMENT_REMEDY = (
    "Run 'streamflow reconcile'. If it cannot settle the difference, "
    "run 'streamflow promote VERSION'."
)


def check_feature_files(platform: Platform) -> Finding:
    """Check that the feature repository is what `migrate` would write."""
    folder = platform.home / "feast"
    if not any((folder / name).is_file() for name in ("feature_store.yaml", "definitions.py")):
        return Finding(
            subject="feature files",
            state=State.OK,
            text=f"none in {folder} yet: the first command that needs them writes them",
        )
    differences = _open_repository(platform, folder).plan(platform.read_services())
    names = [
        line.removeprefix(NEW_FILE_PREFIX).strip()
        for line in differences.splitlines()
        if line.startswith(NEW_FILE_PREFIX)
    ]
    edited = f"edited or old in {folder}: {', '.join(names)}"
    text = edited if names else f"as written in {folder}"
    return Finding(
        subject="feature files",
        state=ok_or_wrong(not names),
        text=text,
        remedy="Run 'streamflow doctor --fix'.",
        fixable=True,
    )


def check_feature_registry(platform: Platform) -> Finding:
    """Check that Feast's registry has all views and services that are needed, as we define them.

    The catalog and the registered versions name them. The files of the owner are run, so that an
    error in them is found.
    """
    services = platform.read_services()
    needed_views = {view.name for view in views_of(platform.catalog, services)}
    needed_services = set(all_services(platform.catalog, services))
    # The registry is read through files of this check: the files of the state folder may be what
    # is wrong.
    with TemporaryDirectory() as folder, closing(_open_repository(platform, Path(folder))) as store:
        store.write(services)
        comparison = store.compare_registry(services)
    misfits = comparison.misfits
    views = count_of(len(needed_views), "view")
    text = f"{views}, {count_of(len(needed_services), 'service')}"
    if comparison.own_objects:
        text += f"; your own: {', '.join(comparison.own_objects)}"
    return Finding(
        subject="Feast registry",
        state=ok_or_wrong(not misfits),
        text="; ".join(misfits) or text,
        remedy="Run 'streamflow doctor --fix'.",
        fixable=True,
    )


def _open_repository(platform: Platform, folder: Path) -> FeatureRepository:
    """Open the feature repository in a folder."""
    own_folder = find_own_folder(platform.home, platform.settings.feature_files)
    role = platform.address.role
    return FeatureRepository(folder, platform.catalog, role=role, own_folder=own_folder)


def check_mlflow(platform: Platform) -> Finding:
    """Check that MLflow's tables have the version that the installed MLflow needs."""
    schema = platform.models.schema_versions()
    if schema is None:
        return Finding(
            subject="MLflow",
            state=State.OK,
            text=f"a server at {platform.tracking_uri}",
        )
    present, needed = schema
    if present == needed:
        text = f"tables of version {present}"
    else:
        text = f"tables of version {present or 'none'}, needed is {needed}"
    return Finding(
        subject="MLflow",
        state=ok_or_wrong(present == needed),
        text=text,
        remedy="Run 'streamflow migrate'.",
        fixable=True,
    )


def check_model_files(platform: Platform) -> Finding:
    """Check that each version of ours has its model file, if it is a file of this machine."""
    if not is_database(platform.tracking_uri):
        return Finding(
            subject="model files",
            state=State.OK,
            text=f"the server at {platform.tracking_uri} keeps them",
        )
    problems = []
    count = 0
    with connect(mlflow_address(platform), autocommit=True) as connection:
        versions = read_registered_versions(connection)
    for version in versions:
        folder = local_path(version.location)
        if folder is None or not version.model_digest:
            continue
        count += 1
        if not (folder / MODEL.name).is_file():
            problems.append(f"version {version.version} of {version.name} at {folder}")
    return Finding(
        subject="model files",
        state=ok_or_wrong(not problems),
        text=f"missing: {', '.join(problems)}" if problems else f"{count_of(count, 'file')}",
        remedy="Restore a backup. If the state folder was renamed by an older release, write its"
        f" former path into {platform.home / LOCATION_FILE}, and run 'streamflow doctor' again.",
    )


def check_registry(platform: Platform) -> Finding:
    """Check that nobody renamed our model in MLflow, or deleted its experiment or its runs."""
    problems = platform.models.describe_problems()
    return Finding(
        subject="model registry",
        state=ok_or_wrong(not problems),
        text="; ".join(problems) or f"the names of {platform.catalog.model} are as they were made",
        remedy="Run 'streamflow doctor --fix', which undoes it, before 'mlflow gc' is run.",
        fixable=True,
    )


def check_production(platform: Platform) -> Finding:
    """Check the version in Production.

    Ledger, stages and aliases must agree on it, and its tags and files must be those that were
    registered. It is only a note that there is no version: a new installation has none.
    """
    version = version_in_stage(platform)
    disagreement = disagreements(platform)
    if version is None:
        # Nobody has promoted a version yet, or somebody took the last one out on purpose.
        return Finding(
            subject="Production",
            state=State.WRONG if disagreement else State.NOTE,
            text="; ".join(["no version", *disagreement]),
            remedy="Run 'streamflow train --as-of D' and 'streamflow promote VERSION'.",
        )
    changes = _describe_changes(platform, version)
    return Finding(
        subject="Production",
        state=ok_or_wrong(not disagreement and not changes),
        text="; ".join([f"version {version.version}", *disagreement, *changes]),
        remedy=CHANGED_VERSION_REMEDY if changes else DISAGREEMENT_REMEDY,
    )


def _describe_changes(platform: Platform, version: ModelVersion) -> list[str]:
    """Name what is no longer as it was registered: passport, tags and files of a version."""
    try:
        record = read_record(platform, version)
    except ArtifactUntrusted as exc:
        return [exc.message]
    return [*record.tampered, *describe_changed_artifacts(platform, record)]
