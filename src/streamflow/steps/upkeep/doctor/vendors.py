"""Feast's files and registry, MLflow's tables, and the version in Production."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from streamflow.features.feature_service import all_services, views_of
from streamflow.features.repository import FeatureRepository
from streamflow.platform import Platform
from streamflow.steps.stages.transitions import disagreements, served
from streamflow.steps.upkeep.doctor.finding import Finding


def feature_files(platform: Platform) -> Finding:
    """The feature repository against what `migrate` would write."""
    folder = platform.home / "feast"
    if not any((folder / name).is_file() for name in ("feature_store.yaml", "definitions.py")):
        return Finding(
            subject="feature files",
            ok=True,
            found=f"none in {folder} yet: the first command that needs them writes them",
        )
    differences = _repository(platform, folder).plan(platform.services())
    names = [
        line.removeprefix("+++ ").strip()
        for line in differences.splitlines()
        if line.startswith("+++ ")
    ]
    found = f"edited or old in {folder}: {', '.join(names)}" if names else f"as written in {folder}"
    return Finding(
        subject="feature files",
        ok=not names,
        found=found,
        remedy="Run 'streamflow doctor --fix'.",
        fixable=True,
    )


def feature_registry(platform: Platform) -> Finding:
    """Feast's registry against the views and services that the catalog and the registered versions name."""
    services = platform.services()
    views = {view.name for view in views_of(platform.catalog, services)}
    named = set(all_services(platform.catalog, services))
    with TemporaryDirectory() as folder, closing(_repository(platform, Path(folder))) as repository:
        repository.write(
            services
        )  # read through files of its own: those of the state folder may be what is wrong
        missing = [f"view {name}" for name in sorted(views - set(repository.views()))]
        missing += [f"service {name}" for name in sorted(named - set(repository.service_names()))]
    found = (
        f"missing: {', '.join(missing)}"
        if missing
        else f"{len(views)} views, {len(named)} services"
    )
    return Finding(
        subject="Feast registry",
        ok=not missing,
        found=found,
        remedy="Run 'streamflow doctor --fix'.",
        fixable=True,
    )


def _repository(platform: Platform, folder: Path) -> FeatureRepository:
    return FeatureRepository(folder, platform.catalog, role=platform.address.role)


def mlflow(platform: Platform) -> Finding:
    """MLflow's tables against the MLflow that is installed."""
    schema = platform.models.schema()
    if schema is None:
        return Finding(subject="MLflow", ok=True, found=f"a server at {platform.tracking_uri}")
    found, needed = schema
    text = (
        f"tables of version {found}"
        if found == needed
        else f"tables of version {found or 'none'}, needed is {needed}"
    )
    return Finding(
        subject="MLflow",
        ok=found == needed,
        found=text,
        remedy="Run 'streamflow migrate'.",
        fixable=True,
    )


def production(platform: Platform) -> Finding:
    """The version that is served, and whether ledger, stages and aliases agree on it."""
    version, apart = served(platform), disagreements(platform)
    text = f"version {version.version}" if version else "no version"
    if version is None:
        remedy = "Run 'streamflow train --as-of D' and 'streamflow promote VERSION'."
    else:
        remedy = (
            "Run 'streamflow reconcile'; what it cannot settle, 'streamflow promote VERSION' does."
        )
    return Finding(
        subject="Production",
        ok=version is not None and not apart,
        found="; ".join([text, *apart]),
        remedy=remedy,
    )
