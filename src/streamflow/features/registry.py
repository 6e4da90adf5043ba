"""Work with Feast's registry.

Open it, apply definitions as `feast apply` does, and record a materialization.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import ModuleType

from feast import FeatureService, FeatureStore, FeatureView
from feast.data_source import DataSource
from feast.entity import Entity
from feast.feature_view import DUMMY_ENTITY
from feast.project import Project
from feast.repo_contents import RepoContents
from feast.repo_operations import extract_objects_for_apply_delete

from streamflow.errors import NotMigrated


def open_store(folder: Path) -> FeatureStore:
    """Open the Feast store that `feature_store.yaml` in `folder` describes."""
    if not (folder / "feature_store.yaml").exists():
        raise NotMigrated(f"there is no feature repository in {folder}")
    return FeatureStore(repo_path=str(folder))


def apply_definitions(store: FeatureStore, path: Path) -> None:
    """Apply a file of definitions as `feast apply` does.

    Objects that the file does not define are removed from the registry.
    """
    contents = _collect_contents(_run_definitions(path), store.project)
    to_apply, to_delete, _, _ = extract_objects_for_apply_delete(
        store.project,
        store.registry,
        contents,
    )
    store.apply(to_apply, objects_to_delete=to_delete, partial=False)


def record_materialization(store: FeatureStore, as_of: Mapping[str, datetime]) -> None:
    """Record the newest materialized instant of each view, unless it is recorded already.

    Args:
        store: the Feast store.
        as_of: view -> the as_of of its live rows.
    """
    for name, instant in as_of.items():
        view = store.registry.get_feature_view(name, store.project)
        intervals = view.materialization_intervals
        if not intervals or intervals[-1][1] != instant:
            store.registry.apply_materialization(view, store.project, instant, instant)


def _run_definitions(path: Path) -> ModuleType:
    """Run a file of definitions and return it as a module.

    The present content of the file is run: nothing is left in sys.modules, on sys.path or in a
    bytecode cache.
    """
    module = ModuleType(path.stem)
    code = compile(path.read_text(encoding="utf-8"), str(path), "exec")
    exec(code, module.__dict__)  # noqa: S102  # `feast apply` runs it too
    return module


def _collect_contents(module: ModuleType, project: str) -> RepoContents:
    """Collect the Feast objects of a module, as Feast's own parser does."""
    members = [getattr(module, name) for name in dir(module)]
    return RepoContents(
        projects=[Project(name=project, description="")],
        data_sources=[member for member in members if isinstance(member, DataSource)],
        entities=[*(member for member in members if isinstance(member, Entity)), DUMMY_ENTITY],
        feature_views=[member for member in members if isinstance(member, FeatureView)],
        feature_services=[member for member in members if isinstance(member, FeatureService)],
        on_demand_feature_views=[],
        stream_feature_views=[],
        label_views=[],
        permissions=[],
    )
