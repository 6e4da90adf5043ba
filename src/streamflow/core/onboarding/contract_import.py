"""A catalog from a contract of the Open Data Contract Standard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from streamflow.core.onboarding.column_names import number_name
from streamflow.core.onboarding.contract_columns import UnreadFields, note_key, read_column
from streamflow.core.onboarding.contract_terms import (
    COLUMN_PROPERTIES,
    ENTITY,
    EVENTS,
    FILE_ENDINGS,
    FILE_FORMAT,
    LABEL,
    LOGICAL_TYPES,
    TTL_DAYS,
    VIEWS,
    read_custom_properties,
)

Values = dict[str, Any]
Element = Mapping[str, Any]
DEFAULT_TTL_DAYS = 62
DEFAULT_KEY_LENGTH = 64
CONTRACT_FIELDS = {"apiVersion", "kind", "id", "name", "version", "status", "schema"}
TABLE_FIELDS = {
    "name",
    "logicalType",
    "physicalName",
    "physicalType",
    "dataGranularityDescription",
    "properties",
}


@dataclass(frozen=True, kw_only=True)
class ImportedContract:
    """What a contract declares.

    values  the values of a catalog, as `catalog_to_values` returns them
    notes   what the contract says and a catalog cannot say, as sentences
    """

    values: Values
    notes: tuple[str, ...]


def contract_to_values(
    contract: Element, *, label: tuple[str, str] | None = None
) -> ImportedContract:
    """Return the values of the catalog that a contract describes.

    A contract that streamflow did not write names no views: then each table has one, and its
    columns are features.

    Args:
        contract: it fits the JSON schema of the standard.
        label: table and column of the outcome; by default those that the contract names.

    Raises:
        ValueError: the contract lacks something that a catalog needs.
    """
    unread = UnreadFields()
    unread.add("the contract", contract, CONTRACT_FIELDS)
    facts = _read_own_properties(contract)
    elements = contract.get("schema", ())
    _refuse_repeated("schema", elements)
    entity = _read_entity(elements, facts.get(ENTITY, {}))
    label_values = _read_label(facts, label)
    read_tables = [_read_table(element, entity["key"], unread) for element in elements]
    tables = [table for table, _ in read_tables if "aggregates" not in table]
    events = [table for table, _ in read_tables if "aggregates" in table]
    formats = _list_formats(read_tables)
    views = facts.get(VIEWS)
    if views is None:
        label_values = _separate_label(tables, formats, label_values, elements)
        views = list(filter(None, (_make_features(table, label_values) for table in tables)))
    values: Values = {
        "model": contract.get("name") or contract["id"],
        "ttl_days": facts.get(TTL_DAYS, DEFAULT_TTL_DAYS),
        "entity": entity,
        "label": label_values,
        "views": views,
        "tables": tables,
    }
    if events:
        values["events"] = events
    if formats:
        values["files"] = formats
    return ImportedContract(values=values, notes=unread.describe())


def _read_own_properties(element: Element) -> Values:
    """Return our own properties. Raises ValueError if one of them cannot be what we wrote."""
    facts = read_custom_properties(element)
    for name in (ENTITY, LABEL, EVENTS, FILE_FORMAT):
        _require(isinstance(facts.get(name, {}), Mapping), f"{name}: expected names with values")
    aggregates = facts.get(EVENTS, {}).get("aggregates", [])
    for name, entries in ((VIEWS, facts.get(VIEWS, [])), (EVENTS, aggregates)):
        has_names = isinstance(entries, list) and all(
            isinstance(entry, Mapping) and isinstance(entry.get("name"), str) for entry in entries
        )
        _require(has_names, f"{name}: expected a list of entries with a name")
    return facts


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _refuse_repeated(position: str, elements: Sequence[Element]) -> None:
    """Raise ValueError when two elements have one name: a catalog would lose the first."""
    counts = Counter(element["name"] for element in elements)
    repeated = [name for name, count in counts.items() if count > 1]
    _require(not repeated, f"{position}: the name {', '.join(repeated)} comes more than once")


def _read_entity(elements: Sequence[Element], declared: Values) -> Values:
    """Return the entity: the declared table, else the first one, with its primary key."""
    names = [element["name"] for element in elements]
    table = declared.get("table", names[0] if names else None)
    if table not in names:
        raise ValueError(f"schema: there is no object '{table}' for the entity")
    properties = elements[names.index(table)].get("properties", ())
    keys = [entry for entry in properties if entry.get("primaryKey")]
    if len(keys) != 1:
        raise ValueError(f"{table}: expected one property with primaryKey, got {len(keys)}")
    types = {logical_type: name for name, logical_type in LOGICAL_TYPES.items()}
    logical_type = keys[0].get("logicalType")
    options = keys[0].get("logicalTypeOptions", {})
    return {
        "name": declared.get("name", table),
        "key": keys[0]["name"],
        "type": types.get(logical_type, logical_type),
        "max_length": options.get("maxLength", DEFAULT_KEY_LENGTH),
        "table": table,
    }


def _read_label(facts: Values, label: tuple[str, str] | None) -> Values:
    """Return the label that the user named, or the one that the contract names."""
    if label is not None:
        return dict(zip(("table", "column"), label, strict=True))
    if LABEL not in facts:
        raise ValueError("the contract does not say which column is the label")
    declared: Values = facts[LABEL]
    for option in ("table", "column"):
        _require(isinstance(declared.get(option), str), f"{LABEL}: expected a text as {option}")
    return declared


def _read_table(element: Element, key: str, unread: UnreadFields) -> tuple[Values, Values]:
    """Return a table or a file of events, and its file format."""
    name = element["name"]
    unread.add(name, element, TABLE_FIELDS)
    facts = _read_own_properties(element)
    _refuse_repeated(name, element.get("properties", ()))
    file_format = dict(facts.get(FILE_FORMAT, {}))
    columns = []
    for entry in element.get("properties", ()):
        if entry["name"] == key:
            note_key(name, entry, unread)
            if entry.get("physicalName", key) != key:
                file_format["key_header"] = entry["physicalName"]
        else:
            columns.append(read_column(name, entry, unread))
    table: Values = {"name": name, "file": _name_file(element, unread), "columns": columns}
    if EVENTS in facts:
        table["time"] = facts[EVENTS].get("time")
        table["aggregates"] = facts[EVENTS].get("aggregates", [])
    return table, file_format


def _list_formats(read_tables: Sequence[tuple[Values, Values]]) -> list[Values]:
    """List the declared file formats, each with the name of its table."""
    return [
        {**file_format, "name": table["name"]} for table, file_format in read_tables if file_format
    ]


def _name_file(element: Element, unread: UnreadFields) -> str:
    """Return the file of a table; a physical name that is no name of a file is noted."""
    physical_name: str = element.get("physicalName", "")
    if element.get("physicalType") == "file" or physical_name.lower().endswith(FILE_ENDINGS):
        path = PurePath(physical_name)
        is_inside = not path.is_absolute() and ".." not in path.parts
        _require(is_inside, f"{element['name']}: {physical_name} lies outside the folder of a drop")
        return physical_name
    if physical_name:
        unread.note(element["name"], "physicalName")
    return f"{element['name']}.csv"


def _separate_label(
    tables: list[Values],
    formats: list[Values],
    label: Values,
    elements: Sequence[Element],
) -> Values:
    """Give a label that stands beside features a table of its own, from the same file.

    Args:
        elements: all objects of the contract; the new table gets a name that none of them has.

    Returns:
        table and column of the label.
    """
    table = next((table for table in tables if table["name"] == label["table"]), None)
    columns = table["columns"] if table else []
    of_label = [column for column in columns if column["name"] == label["column"]]
    if table is None or len(of_label) == len(columns):
        return label
    used_names = [element["name"] for element in elements]
    name = number_name(f"{table['name'][:34]}_label", used_names)
    table["columns"] = [column for column in columns if column not in of_label]
    tables.append({"name": name, "file": table["file"], "columns": of_label})
    formats += [
        {**file_format, "name": name}
        for file_format in formats
        if file_format["name"] == table["name"]
    ]
    return {"table": name, "column": label["column"]}


def _make_features(table: Values, label: Values) -> Values | None:
    """Make every possible column of a table a feature of one view. Return the view, if any."""
    view = f"{table['name']}_fv"
    features = []
    for column in table["columns"]:
        is_label = (table["name"], column["name"]) == (label["table"], label["column"])
        is_possible = column["type"] not in ("date", "timestamp")
        if not is_label and is_possible and not COLUMN_PROPERTIES.keys() & column.keys():
            features.append(column)
    for column in features:
        column["view"] = view
        if column["type"] == "string":
            column["categorical"] = True
    return {"name": view, "table": table["name"]} if features else None
