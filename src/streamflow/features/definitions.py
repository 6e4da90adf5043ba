"""The text of the feature repository's files, `feature_store.yaml` and `definitions.py`.

Equal input gives equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streamflow.catalog import Catalog
from streamflow.column_types import COLUMN_TYPES
from streamflow.errors import SettingsInvalid
from streamflow.features.feature_service import ServiceFeature, ViewSpec, all_services, views_of

STORE_TEMPLATE = """\
# Written by `streamflow migrate`. Connection data come from libpq's PG* variables: \
`streamflow exec -- feast ...` sets them.
project: {project}
provider: local
registry:
  registry_type: sql
  path: postgresql+psycopg:///
  sqlalchemy_config_kwargs:
    connect_args:
      options: "{options}"
offline_store:
  type: streamflow.features.offline.StreamflowOfflineStore
online_store:
  type: streamflow.features.online.StreamflowOnlineStore
  owner: {project}
entity_key_serialization_version: 3
"""

ENTITY_TEMPLATE = '''\
"""The features, for Feast. Written by `streamflow migrate` from the catalog and the registered \
models' services."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import \
PostgreSQLSource
from feast.types import {types}

entity = Entity(name="{entity}", join_keys=["{key}"], value_type=ValueType.{value_type})
'''

SOURCE_TEMPLATE = """
{table}_source = PostgreSQLSource(
    name="{table}",
    table="history.{table}",
    timestamp_field="as_of",
    created_timestamp_column="known_at",
)
"""

VIEW_TEMPLATE = """
{view}_view = FeatureView(
    name="{view}",
    entities=[entity],
    ttl=timedelta(days={ttl_days}),
    schema=[
{fields}    ],
    source={table}_source,
    online=True,
)
"""

SERVICE_TEMPLATE = """
{service}_service = FeatureService(
    name="{service}",
    features=[
{projections}    ],
)
"""


def store_yaml(catalog: Catalog, *, role: str | None = None) -> str:
    """Return the text of `feature_store.yaml`. It contains no path and no password.

    Args:
        catalog: its model's name becomes the name of the Feast project.
        role: the database role that the connections of Feast's registry take on.

    Raises:
        SettingsInvalid: the role has characters other than letters, digits and '_'.
    """
    if role is not None and not role.replace("_", "a").isalnum():
        raise SettingsInvalid(
            f"the database role '{role}' has characters other than letters, digits and '_'"
        )
    options = "-c search_path=feast"
    if role:
        # These options replace the variable PGOPTIONS, so the role has to be in them.
        options += f" -c role={role}"
    return STORE_TEMPLATE.format(project=catalog.model, options=options)


def definitions_py(catalog: Catalog, services: Mapping[str, Sequence[ServiceFeature]]) -> str:
    """Return the text of `definitions.py`.

    It defines the entity, one source per table, the views, the given services and the catalog's
    own service.
    """
    views = views_of(catalog, services)
    tables = dict.fromkeys(view.table for view in views)
    sections = [_format_entity(catalog, views)]
    sections += [SOURCE_TEMPLATE.format(table=table) for table in tables]
    sections += [_format_view(view, catalog.entity.key, catalog.entity.type) for view in views]
    sections += [
        _format_service(name, features)
        for name, features in all_services(catalog, services).items()
    ]
    return "".join(sections)


def _format_entity(catalog: Catalog, views: Sequence[ViewSpec]) -> str:
    """Return the imports of `definitions.py` and the definition of the entity."""
    entity = catalog.entity
    field_types = {COLUMN_TYPES[entity.type].feast}
    for view in views:
        field_types |= {COLUMN_TYPES[feature.type].feast for feature in view.features}
    return ENTITY_TEMPLATE.format(
        types=", ".join(sorted(field_types)),
        entity=entity.name,
        key=entity.key,
        value_type=COLUMN_TYPES[entity.type].feast_key,
    )


def _format_view(view: ViewSpec, key: str, key_type: str) -> str:
    """Return the definition of a feature view, with the key as its first field."""
    column_types = {key: key_type, **{feature.name: feature.type for feature in view.features}}
    fields = "".join(
        f'        Field(name="{name}", dtype={COLUMN_TYPES[catalog_type].feast}),\n'
        for name, catalog_type in column_types.items()
    )
    return VIEW_TEMPLATE.format(
        view=view.name,
        ttl_days=view.ttl_days,
        fields=fields,
        table=view.table,
    )


def _format_service(service: str, features: Sequence[ServiceFeature]) -> str:
    """Return the definition of a feature service: the features that it takes from each view."""
    quoted_names: dict[str, list[str]] = {}
    for feature in features:
        quoted_names.setdefault(feature.view, []).append(f'"{feature.name}"')
    projections = "".join(
        f"        {view}_view[[{', '.join(names)}]],\n" for view, names in quoted_names.items()
    )
    return SERVICE_TEMPLATE.format(service=service, projections=projections)
