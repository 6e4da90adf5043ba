"""The catalog as plain values in one canonical form: what a passport holds of the features, and a catalog again from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from streamflow.catalog import Catalog


def definitions(catalog: Catalog) -> dict[str, Any]:
    """All that the catalog declares. Views, tables and columns are lists: their order is the order of the model's features.

    >>> from streamflow.catalog import load_catalog
    >>> definitions(load_catalog(None))["entity"]["key"]
    'user_id'
    """
    return {
        "model": catalog.model,
        "ttl_days": catalog.ttl_days,
        "entity": catalog.entity.model_dump(),
        "label": catalog.label.model_dump(),
        "views": [
            {"name": name, **view.model_dump(exclude_none=True)}
            for name, view in catalog.views.items()
        ],
        "tables": [
            {
                "name": name,
                "file": catalog.file(name),
                "columns": [
                    {"name": column, **declared.model_dump(exclude_defaults=True, mode="json")}
                    for column, declared in table.columns.items()
                ],
            }
            for name, table in catalog.tables.items()
        ],
    }


def catalog_of(recorded: Mapping[str, Any]) -> Catalog:
    """The catalog that `definitions` described. Raises pydantic's ValidationError where this code knows no such catalog.

    >>> from streamflow.catalog import load_catalog
    >>> catalog = load_catalog(None)
    >>> again = catalog_of(definitions(catalog))
    >>> again.service == catalog.service, again.features == catalog.features
    (True, True)
    """
    tables = {
        t["name"]: {"file": t["file"], "columns": _named(t["columns"])} for t in recorded["tables"]
    }
    return Catalog.model_validate(
        {**recorded, "views": _named(recorded["views"]), "tables": tables}
    )


def _named(rows: list[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        row["name"]: {name: value for name, value in row.items() if name != "name"} for row in rows
    }


def catalog_toml(recorded: Mapping[str, Any]) -> str:
    """The catalog file that `definitions` described: what a recorded version needs elsewhere.

    >>> from streamflow.catalog import load_catalog, parse_catalog
    >>> text = catalog_toml(definitions(load_catalog(None)))
    >>> catalog = parse_catalog(text, origin="again")
    >>> catalog.service == load_catalog(None).service, definitions(catalog) == definitions(load_catalog(None))
    (True, True)
    """
    lines = [f"{name} = {_toml(recorded[name])}" for name in ("model", "ttl_days")]
    parts = {name: recorded[name] for name in ("entity", "label")}
    parts |= {f"views.{name}": view for name, view in _named(recorded["views"]).items()}
    for table in recorded["tables"]:
        parts[f"tables.{table['name']}"] = {"file": table["file"]}
        parts |= {
            f"tables.{table['name']}.columns.{name}": column
            for name, column in _named(table["columns"]).items()
        }
    for name, values in parts.items():
        lines += [
            "",
            f"[{name}]",
            *(f"{key} = {_toml(value)}" for key, value in values.items() if value is not None),
        ]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A text, a number, a bool, or a list of texts."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(quoted, value))}]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def meaning(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """What a model reads, one flat line per fact: of two catalogs the same when they give the same inputs and label.

    A column that is no feature, and no part of entity or label, does not count; nor does what no model reads.
    """
    catalog = catalog_of(recorded)
    facts: dict[str, Any] = {f"entity.{name}": value for name, value in recorded["entity"].items()}
    facts |= {f"label.{name}": value for name, value in recorded["label"].items()}
    facts["order of the features"] = ", ".join(f.name for f in catalog.features)
    for feature in catalog.features:
        view, days = catalog.views[feature.view], catalog.ttl(feature.view).days
        declared = {"table": feature.table, "ttl_days": days, "max_age_days": view.max_age_days}
        declared |= feature.column.model_dump(mode="json")
        facts |= {
            f"{feature.ref} {name}": value
            for name, value in declared.items()
            if name not in {"view", "counter", "words"}
        }
    return facts


def quoted(text: str) -> str:
    r"""A basic string of TOML: JSON's, but DEL is escaped too.

    >>> print(quoted('a "b"\x7f'))
    "a \"b\"\u007f"
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
