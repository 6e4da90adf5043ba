"""What a feature service names: the features that one model reads, with all that is needed to define them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamflow.catalog import Catalog
from streamflow.errors import CatalogInvalid


@dataclass(frozen=True, kw_only=True)
class ServiceFeature:
    """One feature of a service: a version's passport keeps it, so that it outlives the catalog that made it."""

    view: str
    name: str
    type: str  # a catalog type: int, float, bool or string
    table: str
    ttl_days: int

    @property
    def ref(self) -> str:
        """Feast's name of it: `view:feature`."""
        return f"{self.view}:{self.name}"


@dataclass(frozen=True, kw_only=True)
class ViewSpec:
    """A feature view: the features of one table that some service names."""

    name: str
    table: str
    ttl_days: int
    features: tuple[ServiceFeature, ...]


def features_of(catalog: Catalog) -> tuple[ServiceFeature, ...]:
    """The features of the catalog's own service, in the model's order."""
    return tuple(
        ServiceFeature(
            view=f.view,
            name=f.name,
            type=f.column.type,
            table=f.table,
            ttl_days=catalog.ttl(f.view).days,
        )
        for f in catalog.features
    )


def all_services(
    catalog: Catalog, services: Mapping[str, Sequence[ServiceFeature]]
) -> dict[str, tuple[ServiceFeature, ...]]:
    """The given services and the catalog's own, by name in alphabetical order."""
    named = {name: tuple(features) for name, features in services.items()}
    named[catalog.service] = features_of(catalog)
    return dict(sorted(named.items()))


def views_of(
    catalog: Catalog, services: Mapping[str, Sequence[ServiceFeature]]
) -> tuple[ViewSpec, ...]:
    """Every view with the union of the fields that the catalog or a service names; the catalog's come first.

    Table and ttl are the catalog's where it still has the view. Raises CatalogInvalid when a feature has two types.
    """
    fields: dict[str, dict[str, ServiceFeature]] = {}
    for features in (features_of(catalog), *all_services(catalog, services).values()):
        for feature in features:
            known = fields.setdefault(feature.view, {}).setdefault(feature.name, feature)
            if (known.type, known.table) != (feature.type, feature.table):
                raise CatalogInvalid(
                    f"feature '{feature.ref}' is {known.type} of table '{known.table}' in the catalog, but a registered "
                    f"model version reads it as {feature.type} of table '{feature.table}'"
                )
    firsts = {view: next(iter(named.values())) for view, named in fields.items()}
    return tuple(
        ViewSpec(
            name=view,
            table=first.table,
            ttl_days=first.ttl_days,
            features=tuple(fields[view].values()),
        )
        for view, first in firsts.items()
    )
