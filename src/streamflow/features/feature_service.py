"""The features that a feature service names, with all facts that are needed to define them.

A feature service is the list of features that one model reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamflow.catalog import Catalog
from streamflow.errors import CatalogInvalid


@dataclass(frozen=True, kw_only=True)
class ServiceFeature:
    """One feature of a feature service.

    The passport of a version stores it, so that the feature can still be defined when the catalog
    no longer declares it.
    """

    view: str
    name: str
    type: str  # a catalog type: int, float, bool or string
    table: str
    ttl_days: int

    @property
    def ref(self) -> str:
        """Return Feast's name of the feature, `view:feature`."""
        return f"{self.view}:{self.name}"


@dataclass(frozen=True, kw_only=True)
class ViewSpec:
    """A feature view: the features of one table that at least one service names."""

    name: str
    table: str
    ttl_days: int
    features: tuple[ServiceFeature, ...]


def features_of(catalog: Catalog) -> tuple[ServiceFeature, ...]:
    """Return the features of the catalog's own service, in the model's order."""
    return tuple(
        ServiceFeature(
            view=feature.view,
            name=feature.name,
            type=feature.column.type,
            table=feature.table,
            ttl_days=catalog.ttl(feature.view).days,
        )
        for feature in catalog.features
    )


def all_services(
    catalog: Catalog,
    services: Mapping[str, Sequence[ServiceFeature]],
) -> dict[str, tuple[ServiceFeature, ...]]:
    """Return the given services and the catalog's own, in alphabetical order of their names."""
    features_by_service = {name: tuple(features) for name, features in services.items()}
    features_by_service[catalog.service] = features_of(catalog)
    return dict(sorted(features_by_service.items()))


def views_of(
    catalog: Catalog,
    services: Mapping[str, Sequence[ServiceFeature]],
) -> tuple[ViewSpec, ...]:
    """Return every view with all features that the catalog or a service takes from it.

    The views and features of the catalog come first. A view that the catalog still has gets its
    table and ttl from the catalog.

    Raises:
        CatalogInvalid: a feature has a different type or table in the catalog and in a service.
    """
    features_by_view: dict[str, dict[str, ServiceFeature]] = {}
    for features in (features_of(catalog), *all_services(catalog, services).values()):
        for feature in features:
            view_features = features_by_view.setdefault(feature.view, {})
            _require_same_source(view_features.setdefault(feature.name, feature), feature)
    return tuple(
        _create_view(view, tuple(view_features.values()))
        for view, view_features in features_by_view.items()
    )


def _require_same_source(declared: ServiceFeature, feature: ServiceFeature) -> None:
    """Raise CatalogInvalid when two definitions of a feature differ in type or table."""
    if (declared.type, declared.table) != (feature.type, feature.table):
        raise CatalogInvalid(
            f"feature '{feature.ref}' has the type {declared.type} and comes from table "
            f"'{declared.table}' in the catalog, but a registered model version reads it as "
            f"{feature.type} from table '{feature.table}'"
        )


def _create_view(name: str, features: tuple[ServiceFeature, ...]) -> ViewSpec:
    """Create a view; its first feature decides table and ttl."""
    return ViewSpec(
        name=name,
        table=features[0].table,
        ttl_days=features[0].ttl_days,
        features=features,
    )
