"""Work with Feast's registry.

Open it, apply definitions as `feast apply` does, and record a materialization.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

from feast import FeatureService, FeatureStore, FeatureView
from feast.data_source import DataSource
from feast.entity import Entity
from feast.errors import FeatureViewNotFoundException
from feast.feature_view import DUMMY_ENTITY
from feast.project import Project
from feast.repo_contents import RepoContents
from feast.repo_operations import extract_objects_for_apply_delete

from streamflow.column_types import COLUMN_TYPES
from streamflow.errors import NotMigrated
from streamflow.features.feature_service import ServiceFeature, ViewSpec


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
        try:
            view = store.registry.get_feature_view(name, store.project)
        except FeatureViewNotFoundException as exc:
            raise NotMigrated(
                f"the features are live, but Feast's registry has no feature view '{name}'",
                state="The live features are those of the drop.",
            ) from exc
        intervals = view.materialization_intervals
        if not intervals or intervals[-1][1] != instant:
            store.registry.apply_materialization(view, store.project, instant, instant)


def describe_misfits(
    store: FeatureStore,
    views: Sequence[ViewSpec],
    services: Mapping[str, Sequence[ServiceFeature]],
    *,
    key: str,
) -> list[str]:
    """Describe each view and service that the registry lacks or defines differently.

    Args:
        store: the Feast store.
        views: the views that must be there.
        services: name -> the features of each service that must be there.
        key: the name of the join key of all views.
    """
    registered_views = {view.name: _describe_view(view) for view in store.list_feature_views()}
    needed_views = {view.name: _describe_needed_view(view, key) for view in views}
    registered_services = {
        service.name: _list_refs(service) for service in store.list_feature_services()
    }
    needed_services = {
        name: sorted(feature.ref for feature in features) for name, features in services.items()
    }
    return [
        *_compare("view", needed_views, registered_views),
        *_compare("service", needed_services, registered_services),
    ]


def _compare(
    kind: str,
    needed: Mapping[str, object],
    registered: Mapping[str, object],
) -> list[str]:
    """Describe what is missing or different."""
    texts = []
    for name, definition in sorted(needed.items()):
        if name not in registered:
            texts.append(f"missing: {kind} {name}")
        elif registered[name] != definition:
            texts.append(f"defined differently: {kind} {name}")
    return texts


def _describe_view(view: FeatureView) -> tuple[object, ...]:
    """Return what matters of a view of the registry: key, table, ttl, and features with types."""
    features = {field.name: str(field.dtype) for field in view.features}
    keys = [field.name for field in view.entity_columns]
    table = getattr(view.batch_source, "_postgres_options", None)
    return keys, getattr(table, "_table", None), view.ttl, features


def _describe_needed_view(view: ViewSpec, key: str) -> tuple[object, ...]:
    """Return the same of a view as `definitions.py` defines it."""
    features = {feature.name: COLUMN_TYPES[feature.type].feast for feature in view.features}
    return [key], f"history.{view.table}", timedelta(days=view.ttl_days), features


def _list_refs(service: FeatureService) -> list[str]:
    """Return the features of a service as `view:feature`, sorted."""
    return sorted(
        f"{projection.name}:{feature.name}"
        for projection in service.feature_view_projections
        for feature in projection.features
    )


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
