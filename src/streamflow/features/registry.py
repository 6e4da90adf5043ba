"""Work with Feast's registry.

Open it, apply definitions as `feast apply` does, and record a materialization.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from feast import FeatureService, FeatureStore, FeatureView, OnDemandFeatureView
from feast.data_source import DataSource
from feast.entity import Entity
from feast.errors import FeastError, FeatureViewNotFoundException
from feast.feature_view import DUMMY_ENTITY
from feast.project import Project
from feast.repo_config import load_repo_config
from feast.repo_contents import RepoContents
from feast.repo_operations import extract_objects_for_apply_delete
from feast.stream_feature_view import StreamFeatureView

from streamflow.column_types import COLUMN_TYPES
from streamflow.errors import FeatureFileInvalid, NotMigrated
from streamflow.features.definition_modules import run_files
from streamflow.features.feature_service import ServiceFeature, ViewSpec
from streamflow.features.own_checks import check_objects
from streamflow.features.own_files import OwnFile
from streamflow.features.own_objects import (
    OwnObject,
    collect_generated,
    collect_own,
    name_kind,
    name_of,
)

Kind = TypeVar("Kind")
# Feast warns of this at each apply. What we promise of on-demand views is in our documentation.
EXPERIMENTAL_WARNING = "On demand feature view is an experimental feature"


@dataclass(frozen=True, kw_only=True)
class RegistryContents:
    """The objects that Feast's registry is to have."""

    generated: Sequence[object]
    own_objects: Sequence[OwnObject]

    @property
    def values(self) -> list[object]:
        """Return all objects."""
        return [*self.generated, *(item.value for item in self.own_objects)]


def open_store(folder: Path) -> FeatureStore:
    """Open the Feast store that `feature_store.yaml` in `folder` describes."""
    if not (folder / "feature_store.yaml").exists():
        raise NotMigrated(f"there is no feature repository in {folder}")
    return FeatureStore(repo_path=str(folder))


def read_contents(folder: Path, own_files: Sequence[OwnFile]) -> RegistryContents:
    """Run the files of a feature repository, and check the objects that the owner defines.

    The registry is neither read nor changed.

    Raises:
        FeatureFileInvalid: a file of the owner, or an object of it, cannot be used.
    """
    modules = run_files(folder, own_files)
    generated = collect_generated(modules.generated)
    own_objects = collect_own(modules)
    if own_objects:
        config = load_repo_config(folder, folder / "feature_store.yaml")
        check_objects(config, generated, own_objects)
    return RegistryContents(generated=generated, own_objects=own_objects)


def apply_contents(store: FeatureStore, contents: RegistryContents) -> list[str]:
    """Apply the objects of a feature repository as `feast apply` does.

    Objects that are not among them are removed from the registry.

    Returns:
        Kind and name of each object that was removed.

    Raises:
        FeatureFileInvalid: Feast refuses an object of the owner.
    """
    to_apply, to_delete, _, _ = extract_objects_for_apply_delete(
        store.project,
        store.registry,
        _collect_contents(contents.values, store.project),
    )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", EXPERIMENTAL_WARNING, RuntimeWarning)
            store.apply(to_apply, objects_to_delete=to_delete, partial=False)
    except (FeastError, ValueError) as exc:
        if not contents.own_objects:
            raise
        paths = sorted({str(item.path) for item in contents.own_objects})
        raise FeatureFileInvalid(
            f"Feast refuses an object of {', '.join(paths)}: {type(exc).__name__}: {exc}"
        ) from exc
    return sorted(f"{name_kind(value)} {name_of(value)}" for value in to_delete)


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


def describe_missing(store: FeatureStore, own_objects: Sequence[OwnObject]) -> list[str]:
    """Describe each object of the owner that the registry lacks."""
    registered: list[object] = [
        *store.list_all_feature_views(),
        *store.list_feature_services(),
        *store.list_entities(),
        *store.list_data_sources(),
    ]
    titles = {f"{name_kind(value)} {name_of(value)}" for value in registered}
    return [f"missing: {item.title}" for item in own_objects if item.title not in titles]


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


def _collect_contents(values: Sequence[object], project: str) -> RepoContents:
    """Sort Feast objects by kind, as Feast's own parser does."""
    stream_views = _select(values, StreamFeatureView)
    views = [view for view in _select(values, FeatureView) if view not in stream_views]
    return RepoContents(
        projects=[Project(name=project, description="")],
        data_sources=_select(values, DataSource),
        entities=[*_select(values, Entity), DUMMY_ENTITY],
        feature_views=views,
        feature_services=_select(values, FeatureService),
        on_demand_feature_views=_select(values, OnDemandFeatureView),
        stream_feature_views=stream_views,
        label_views=[],
        permissions=[],
    )


def _select(values: Sequence[object], kind: type[Kind]) -> list[Kind]:
    """Return the objects of a kind."""
    return [value for value in values if isinstance(value, kind)]
