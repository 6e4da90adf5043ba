"""Feast's registry: opening it, applying the definitions as `feast apply` does, recording a materialization."""

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
    """The Feast store that `feature_store.yaml` in `folder` describes."""
    if not (folder / "feature_store.yaml").exists():
        raise NotMigrated(f"there is no feature repository in {folder}")
    return FeatureStore(repo_path=str(folder))


def apply_definitions(store: FeatureStore, path: Path) -> None:
    """Do what `feast apply` does with one file of definitions: objects that it does not define are removed."""
    contents = _contents(_module(path), store.project)
    to_apply, to_delete, _, _ = extract_objects_for_apply_delete(
        store.project, store.registry, contents
    )
    store.apply(to_apply, objects_to_delete=to_delete, partial=False)


def record_materialization(store: FeatureStore, as_of: Mapping[str, datetime]) -> None:
    """Note the newest materialized instant of each view; one that is noted already is not noted again."""
    for name, instant in as_of.items():
        view = store.registry.get_feature_view(name, store.project)
        if not view.materialization_intervals or view.materialization_intervals[-1][1] != instant:
            store.registry.apply_materialization(view, store.project, instant, instant)


def _module(path: Path) -> ModuleType:
    """The definitions as they are now: run without a trace in sys.modules, on sys.path or in a bytecode cache."""
    module = ModuleType(path.stem)
    exec(
        compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__
    )  # `feast apply` runs it too
    return module


def _contents(module: ModuleType, project: str) -> RepoContents:
    """The objects of the module, as Feast's own parser collects them."""
    objects = [getattr(module, name) for name in dir(module)]
    return RepoContents(
        projects=[Project(name=project, description="")],
        data_sources=[o for o in objects if isinstance(o, DataSource)],
        entities=[*(o for o in objects if isinstance(o, Entity)), DUMMY_ENTITY],
        feature_views=[o for o in objects if isinstance(o, FeatureView)],
        feature_services=[o for o in objects if isinstance(o, FeatureService)],
        on_demand_feature_views=[],
        stream_feature_views=[],
        label_views=[],
        permissions=[],
    )
