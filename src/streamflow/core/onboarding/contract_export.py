"""A catalog as a contract of the Open Data Contract Standard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamflow.catalog import Catalog
from streamflow.core.data.catalog_definitions import catalog_to_values
from streamflow.core.onboarding.contract_terms import (
    API_VERSION,
    COLUMN_PROPERTIES,
    DERIVED,
    ENTITY,
    EVENTS,
    FIELDS,
    FILE_FORMAT,
    KIND,
    LABEL,
    LOGICAL_TYPES,
    TTL_DAYS,
    TYPE_OPTIONS,
    VIEWS,
    list_custom_properties,
    make_value_rule,
)

Values = Mapping[str, Any]


def catalog_to_contract(catalog: Catalog, *, version: str) -> dict[str, Any]:
    """Return a catalog as a contract.

    Args:
        catalog: everything that it declares is in the contract.
        version: of the contract. The standard asks for one; a catalog has none.

    >>> from streamflow.catalog import load_catalog
    >>> contract = catalog_to_contract(load_catalog(None), version="1.0.0")
    >>> [element["name"] for element in contract["schema"]][:2]
    ['users', 'subscriptions']
    """
    values = catalog_to_values(catalog)
    formats = {file_format["name"]: file_format for file_format in values.get("files", ())}
    tables = [*values["tables"], *values.get("events", ())]
    own_properties = {
        ENTITY: {"name": catalog.entity.name, "table": catalog.entity.table},
        LABEL: values["label"],
        VIEWS: values["views"],
        TTL_DAYS: catalog.ttl_days,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "id": catalog.model,
        "name": catalog.model,
        "version": version,
        "status": "active",
        "schema": [
            _describe_table(catalog, table, formats.get(table["name"], {})) for table in tables
        ],
        "customProperties": list_custom_properties(own_properties),
    }


def _describe_table(catalog: Catalog, table: Values, file_format: Values) -> dict[str, Any]:
    """Return a table, or a file of events, as an object of the schema."""
    options = {name: value for name, value in file_format.items() if name != "name"}
    key_header = options.pop("key_header", None)
    own_properties: dict[str, Any] = {FILE_FORMAT: options} if options else {}
    granularity = f"one row per {catalog.entity.key} and as_of"
    if "aggregates" in table:
        own_properties[EVENTS] = {"time": table["time"], "aggregates": table["aggregates"]}
        granularity = f"any number of rows per {catalog.entity.key}"
    key = _describe_key(catalog, table, key_header)
    element = {
        "name": table["name"],
        "logicalType": "object",
        "physicalName": table["file"],
        "physicalType": "file",
        "dataGranularityDescription": granularity,
        "properties": [key, *_describe_columns(table["columns"])],
    }
    if own_properties:
        element["customProperties"] = list_custom_properties(own_properties)
    return element


def _describe_key(catalog: Catalog, table: Values, header: str | None) -> dict[str, Any]:
    """Return the key of the entity as a property of a table."""
    entity = catalog.entity
    described: dict[str, Any] = {
        "name": entity.key,
        "logicalType": LOGICAL_TYPES[entity.type],
        "required": True,
    }
    if entity.type == "string":
        described["logicalTypeOptions"] = {"maxLength": entity.max_length}
    if header is not None:
        described["physicalName"] = header
    if "aggregates" not in table:
        described |= {"primaryKey": True, "primaryKeyPosition": 1, "unique": True}
    if table["name"] != entity.table:
        described["relationships"] = [{"to": f"{entity.table}.{entity.key}"}]
    return described


def _describe_columns(columns: Sequence[Values]) -> list[dict[str, Any]]:
    return [_describe_column(column) for column in columns]


def _describe_column(column: Values) -> dict[str, Any]:
    """Return a column as a property. What the standard has no word for is our own property."""
    described: dict[str, Any] = {
        "name": column["name"],
        "logicalType": LOGICAL_TYPES[column["type"]],
        "required": not column.get("nullable", False),
    }
    for option, field in FIELDS.items():
        if option in column:
            described[field] = column[option]
    type_options = _describe_bounds(column)
    if type_options:
        described["logicalTypeOptions"] = type_options
    if "categories" in column:
        described["quality"] = [make_value_rule(list(column["categories"]))]
    own_properties = {
        name: column[option] for option, name in COLUMN_PROPERTIES.items() if option in column
    }
    if "expr" in column:
        own_properties[DERIVED] = True
    if own_properties:
        described["customProperties"] = list_custom_properties(own_properties)
    return described


def _describe_bounds(column: Values) -> dict[str, Any]:
    """Return the bounds of a column; those of whole numbers are whole numbers where they can be."""
    bounds = {name: column[option] for option, name in TYPE_OPTIONS.items() if option in column}
    if column["type"] == "int":
        for name, bound in bounds.items():
            bounds[name] = int(bound) if float(bound).is_integer() else bound
    return bounds
