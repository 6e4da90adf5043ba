"""The catalog as plain values in one canonical form, and a catalog made again from these values.

A passport holds these values as its features level.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from streamflow.catalog import Aggregate, Catalog

# Facts of a feature that no model reads, or that its name says already.
UNREAD_FACTS = {"view", "counter", "tenure", "words", "header"}

# The options of a table of events that hold one entry for each column.
COLUMN_OPTIONS = ("columns", "aggregates")


def catalog_to_values(catalog: Catalog) -> dict[str, Any]:
    """Return everything that the catalog declares, as plain values.

    Views, tables and columns are lists: their order is the order of the model's features.

    >>> from streamflow.catalog import load_catalog
    >>> catalog_to_values(load_catalog(None))["entity"]["key"]
    'user_id'
    """
    views = [
        {"name": name, **view.model_dump(exclude_none=True)} for name, view in catalog.views.items()
    ]
    values: dict[str, Any] = {
        "model": catalog.model,
        "ttl_days": catalog.ttl_days,
        "entity": catalog.entity.model_dump(),
        "label": catalog.label.model_dump(),
        "views": views,
        "tables": [_describe_table(catalog, name) for name in catalog.tables],
    }
    # A catalog of strict CSV files without events has the same values as before these existed.
    if catalog.events:
        values["events"] = [describe_event_table(catalog, name) for name in catalog.events]
    if catalog.files:
        values["files"] = _list_declared(catalog.files)
    return values


def _describe_table(catalog: Catalog, table: str) -> dict[str, Any]:
    columns = _list_declared(catalog.tables[table].columns)
    return {"name": table, "file": catalog.file(table), "columns": columns}


def describe_event_table(catalog: Catalog, table: str) -> dict[str, Any]:
    """Return how a table of events is declared, with the name of its file also if that is left out.

    Two catalogs that declare the table alike give equal values.
    """
    events = catalog.events[table]
    return {
        "name": table,
        "file": catalog.file(table),
        "time": events.time,
        "columns": _list_declared(events.columns),
        "aggregates": _list_declared(events.aggregates),
    }


def _list_declared(declarations: Mapping[str, BaseModel]) -> list[dict[str, Any]]:
    """Return each part of the catalog with its name, without what has its default."""
    return [
        {"name": name, **declaration.model_dump(exclude_defaults=True, mode="json")}
        for name, declaration in declarations.items()
    ]


def catalog_from_values(recorded: Mapping[str, Any]) -> Catalog:
    """Make a catalog from the values that `catalog_to_values` returned.

    Raises pydantic's ValidationError when this code does not know such a catalog.

    >>> from streamflow.catalog import load_catalog
    >>> catalog = load_catalog(None)
    >>> copy = catalog_from_values(catalog_to_values(catalog))
    >>> copy.service == catalog.service, copy.features == catalog.features
    (True, True)
    """
    tables = {
        table["name"]: {"file": table["file"], "columns": _by_name(table["columns"])}
        for table in recorded["tables"]
    }
    events = {}
    for name, table in _by_name(recorded.get("events", ())).items():
        columns = {option: _by_name(table[option]) for option in COLUMN_OPTIONS}
        events[name] = {**table, **columns}
    return Catalog.model_validate(
        {
            **recorded,
            "views": _by_name(recorded["views"]),
            "tables": tables,
            "events": events,
            "files": _by_name(recorded.get("files", ())),
        }
    )


def _by_name(items: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Turn a list of values with a `name` each into a mapping from the name to the rest."""
    values_by_name = {}
    for item in items:
        values = dict(item)
        values_by_name[values.pop("name")] = values
    return values_by_name


def values_to_toml(recorded: Mapping[str, Any]) -> str:
    """Write the values that `catalog_to_values` returned as a catalog file.

    A recorded version needs this file in an installation with a different catalog.

    >>> from streamflow.catalog import load_catalog, parse_catalog
    >>> original = load_catalog(None)
    >>> catalog = parse_catalog(values_to_toml(catalog_to_values(original)), origin="copy")
    >>> catalog.service == original.service
    True
    >>> catalog_to_values(catalog) == catalog_to_values(original)
    True
    """
    lines = [f"{name} = {format_toml(recorded[name])}" for name in ("model", "ttl_days")]
    for section, values in _toml_sections(recorded).items():
        lines += ["", f"[{section}]"]
        for key, value in values.items():
            if value is not None:
                lines.append(f"{key} = {format_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml_sections(recorded: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the values of each section of the catalog file, by its name, in order."""
    sections: dict[str, Mapping[str, Any]] = {}
    for name in ("entity", "label"):
        sections[name] = recorded[name]
    for name, view in _by_name(recorded["views"]).items():
        sections[f"views.{name}"] = view
    for table in recorded["tables"]:
        path = f"tables.{table['name']}"
        sections[path] = {"file": table["file"]}
        for name, column in _by_name(table["columns"]).items():
            sections[f"{path}.columns.{name}"] = column
    for name, table in _by_name(recorded.get("events", ())).items():
        path = f"events.{name}"
        sections[path] = {"file": table["file"], "time": table["time"]}
        for option in COLUMN_OPTIONS:
            for column_name, column in _by_name(table[option]).items():
                sections[f"{path}.{option}.{column_name}"] = column
    for name, file_format in _by_name(recorded.get("files", ())).items():
        sections[f"files.{name}"] = file_format
    return sections


def format_toml(value: Any) -> str:
    """Write a text, a number, a bool, or a list of texts as a value of TOML.

    >>> print(format_toml(["Yes", "1"]), format_toml(True))
    ["Yes", "1"] true
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(quote_toml, value))}]"
    if isinstance(value, str):
        return quote_toml(value)
    return json.dumps(value)


def list_model_facts(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that a model reads of a catalog, one flat entry per fact.

    Two catalogs have equal facts when they give the same inputs and the same label. A column
    counts only if it is a feature, or belongs to the entity or the label. A fact that no model
    reads does not count.
    """
    catalog = catalog_from_values(recorded)
    facts: dict[str, Any] = {}
    facts |= {f"entity.{name}": value for name, value in recorded["entity"].items()}
    facts |= {f"label.{name}": value for name, value in recorded["label"].items()}
    facts["order of the features"] = ", ".join(feature.name for feature in catalog.features)
    for feature in catalog.features:
        declared = {
            "table": feature.table,
            "ttl_days": catalog.ttl(feature.view).days,
            "max_age_days": catalog.views[feature.view].max_age_days,
            **feature.column.model_dump(mode="json"),
        }
        if isinstance(feature.column, Aggregate):
            declared["time"] = catalog.events[feature.table].time
        facts |= {
            f"{feature.ref} {name}": value
            for name, value in declared.items()
            if name not in UNREAD_FACTS
        }
    return facts


def quote_toml(text: str) -> str:
    r"""Write a text as a basic string of TOML: as in JSON, but DEL is escaped too.

    >>> print(quote_toml('a "b"\x7f'))
    "a \"b\"\u007f"
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
