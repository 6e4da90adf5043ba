"""Checks of Feast's files and registry, of MLflow, and of the version in Production."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from streamflow.core.data.counts import count_of
from streamflow.features.feature_service import all_services, views_of
from streamflow.features.repository import FeatureRepository
from streamflow.platform import Platform
from streamflow.steps.stages.transitions import disagreements, version_in_stage
from streamflow.steps.upkeep.doctor.finding import Finding, State, ok_or_wrong

NEW_FILE_PREFIX = "+++ "  # how a line of a unified diff begins that names the file


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

    The catalog and the registered versions name them.
    """
    services = platform.read_services()
    needed_views = {view.name for view in views_of(platform.catalog, services)}
    needed_services = set(all_services(platform.catalog, services))
    # The registry is read through files of this check: the files of the state folder may be what
    # is wrong.
    with TemporaryDirectory() as folder, closing(_open_repository(platform, Path(folder))) as store:
        store.write(services)
        misfits = store.misfits(services)
    if misfits:
        text = "; ".join(misfits)
    else:
        text = f"{count_of(len(needed_views), 'view')}, {count_of(len(needed_services), 'service')}"
    return Finding(
        subject="Feast registry",
        state=ok_or_wrong(not misfits),
        text=text,
        remedy="Run 'streamflow doctor --fix'.",
        fixable=True,
    )


def _open_repository(platform: Platform, folder: Path) -> FeatureRepository:
    """Open the feature repository in a folder."""
    return FeatureRepository(folder, platform.catalog, role=platform.address.role)


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
    """Check that ledger, stages and aliases agree on the version in Production.

    It is only a note that there is no version: a new installation has none.
    """
    version = version_in_stage(platform)
    problems = disagreements(platform)
    if version is None:
        # Nobody has promoted a version yet, or somebody took the last one out on purpose.
        state = State.NOTE
        text = "no version"
        remedy = "Run 'streamflow train --as-of D' and 'streamflow promote VERSION'."
    else:
        state = State.OK
        text = f"version {version.version}"
        remedy = (
            "Run 'streamflow reconcile'. If it cannot settle the difference, "
            "run 'streamflow promote VERSION'."
        )
    return Finding(
        subject="Production",
        state=State.WRONG if problems else state,
        text="; ".join([text, *problems]),
        remedy=remedy,
    )
