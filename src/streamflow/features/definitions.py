"""The text of the feature repository: `feature_store.yaml` and `definitions.py`, equal bytes for equal input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streamflow.catalog import Catalog
from streamflow.errors import SettingsInvalid
from streamflow.features.feature_service import ServiceFeature, ViewSpec, all_services, views_of

FEAST_TYPES = {
    "int": "Int64",
    "float": "Float64",
    "bool": "Bool",
    "string": "String",
}  # by catalog type
VALUE_TYPES = {"int": "INT64", "string": "STRING"}

STORE = """\
# Written by `streamflow migrate`. Connection data come from libpq's PG* variables: `streamflow exec -- feast ...` sets them.
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
entity_key_serialization_version: 3
"""

HEAD = '''\
"""The features, for Feast. Written by `streamflow migrate` from the catalog and the registered models' services."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import {types}

entity = Entity(name="{entity}", join_keys=["{key}"], value_type=ValueType.{value_type})
'''

SOURCE = """
{table}_source = PostgreSQLSource(
    name="{table}",
    table="history.{table}",
    timestamp_field="as_of",
    created_timestamp_column="known_at",
)
"""

VIEW = """
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

SERVICE = """
{service}_service = FeatureService(
    name="{service}",
    features=[
{projections}    ],
)
"""


def store_yaml(catalog: Catalog, *, role: str | None = None) -> str:
    """`feature_store.yaml`: no path, no password. `role` is what the registry's connections work as."""
    if role is not None and not role.replace("_", "a").isalnum():
        raise SettingsInvalid(
            f"the database role '{role}' has characters other than letters, digits and '_'"
        )
    options = "-c search_path=feast" + (
        f" -c role={role}" if role else ""
    )  # options replace PGOPTIONS, hence the role
    return STORE.format(project=catalog.model, options=options)


def definitions_py(catalog: Catalog, services: Mapping[str, Sequence[ServiceFeature]]) -> str:
    """`definitions.py`: the entity, a source per table, the views, and all services with the catalog's own."""
    entity, views = catalog.entity, views_of(catalog, services)
    types = {FEAST_TYPES[entity.type]} | {
        FEAST_TYPES[f.type] for view in views for f in view.features
    }
    parts = [
        HEAD.format(
            types=", ".join(sorted(types)),
            entity=entity.name,
            key=entity.key,
            value_type=VALUE_TYPES[entity.type],
        )
    ]
    parts += [SOURCE.format(table=table) for table in dict.fromkeys(view.table for view in views)]
    parts += [_view(view, entity.key, entity.type) for view in views]
    parts += [
        _service(name, features) for name, features in all_services(catalog, services).items()
    ]
    return "".join(parts)


def _view(view: ViewSpec, key: str, key_type: str) -> str:
    columns = {key: key_type, **{f.name: f.type for f in view.features}}
    fields = "".join(
        f'        Field(name="{name}", dtype={FEAST_TYPES[kind]}),\n'
        for name, kind in columns.items()
    )
    return VIEW.format(view=view.name, ttl_days=view.ttl_days, fields=fields, table=view.table)


def _service(name: str, features: Sequence[ServiceFeature]) -> str:
    of_view: dict[str, list[str]] = {}
    for feature in features:
        of_view.setdefault(feature.view, []).append(f'"{feature.name}"')
    projections = "".join(
        f"        {view}_view[[{', '.join(names)}]],\n" for view, names in of_view.items()
    )
    return SERVICE.format(service=name, projections=projections)
