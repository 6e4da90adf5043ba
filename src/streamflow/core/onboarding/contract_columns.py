"""The columns of a contract, and what of a contract a catalog cannot say."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.contract_terms import (
    COLUMN_PROPERTIES,
    DERIVED,
    FIELDS,
    LOGICAL_TYPES,
    TYPE_OPTIONS,
    VALID_VALUES,
    make_value_rule,
    read_custom_properties,
)

Element = Mapping[str, Any]
TYPES = {logical_type: name for name, logical_type in LOGICAL_TYPES.items()}
OWN_PREFIX = "streamflow"
# Fields of a property that a catalog says in its own way, or that follow from the catalog.
COLUMN_FIELDS = {
    "name",
    "logicalType",
    "logicalTypeOptions",
    "required",
    "unique",
    "primaryKey",
    "primaryKeyPosition",
    "relationships",
    "quality",
    *FIELDS.values(),
}
# Fields of the key that a catalog says, or that follow from the catalog.
KEY_FIELDS = COLUMN_FIELDS - {"quality", *FIELDS.values()} | {FIELDS["header"]}


@dataclass(frozen=True, kw_only=True)
class UnreadFields:
    """What a contract says and a catalog cannot say: name of a field -> where it stands."""

    positions: dict[str, list[str]] = field(default_factory=dict)

    def add(self, position: str, element: Element, read_fields: Collection[str]) -> None:
        """Note each field of an element that is not read, and each custom property not ours."""
        for name in element:
            if name not in read_fields and name != "customProperties":
                self.note(position, name)
        for name in read_custom_properties(element):
            if not name.startswith(OWN_PREFIX):
                self.note(position, f"custom property {name}")

    def note(self, position: str, name: str) -> None:
        """Note one thing that is not kept."""
        self.positions.setdefault(name, []).append(position)

    def describe(self) -> tuple[str, ...]:
        """Return a sentence for each field, by its name.

        >>> unread = UnreadFields()
        >>> unread.note("users.email", "pattern")
        >>> unread.describe()
        ('pattern is not kept: users.email',)
        """
        sentences = []
        for name, positions in sorted(self.positions.items()):
            hidden = len(positions) - 1
            suffix = f" and {count_of(hidden, 'more place')}" if hidden else ""
            sentences.append(f"{name} is not kept: {positions[0]}{suffix}")
        return tuple(sentences)


def read_column(table: str, entry: Element, unread: UnreadFields) -> dict[str, Any]:
    """Return a property as a column of the catalog.

    Raises:
        ValueError: a catalog has no column of this type.
    """
    position = f"{table}.{entry['name']}"
    logical_type = entry.get("logicalType")
    if logical_type not in TYPES:
        expected = ", ".join(TYPES)
        raise ValueError(f"{position}: expected a logicalType of {expected}, got {logical_type}")
    unread.add(position, entry, COLUMN_FIELDS)
    column: dict[str, Any] = {"name": entry["name"], "type": TYPES[logical_type]}
    if not entry.get("required", False):
        column["nullable"] = True
    facts = read_custom_properties(entry)
    for option, name in FIELDS.items():
        if name in entry and entry[name] != entry["name"]:
            column[option] = entry[name]
    if "expr" in column and facts.get(DERIVED) is not True:
        del column["expr"]
        unread.note(position, FIELDS["expr"])
    column |= _read_type_options(position, entry, unread)
    column |= _read_rules(position, entry, unread)
    for option, name in COLUMN_PROPERTIES.items():
        if name in facts:
            column[option] = facts[name]
    return column


def note_key(table: str, entry: Element, unread: UnreadFields) -> None:
    """Note what a contract says of the key in a table, and a catalog cannot say."""
    position = f"{table}.{entry['name']}"
    unread.add(position, entry, KEY_FIELDS)
    for name in entry.get("logicalTypeOptions", {}):
        if name != TYPE_OPTIONS["max_length"]:
            unread.note(position, name)


def _read_type_options(position: str, entry: Element, unread: UnreadFields) -> dict[str, Any]:
    """Return the bounds of a column. Numbers have min and max, texts have a length."""
    bounds = {}
    options = {name: option for option, name in TYPE_OPTIONS.items()}
    for name, value in entry.get("logicalTypeOptions", {}).items():
        is_number = isinstance(value, int | float)
        if name in options and is_number:
            # In JSON schema, 10.0 is an integer.
            is_length = name == TYPE_OPTIONS["max_length"]
            bounds[options[name]] = int(value) if is_length else _read_bound(position, value)
        else:
            unread.note(position, name)
    return bounds


def _read_bound(position: str, value: float) -> float:
    """Return a bound as a float. Raises ValueError when it is too large for one."""
    try:
        bound = float(value)
    except OverflowError:
        bound = math.inf
    if not math.isfinite(bound):
        raise ValueError(f"{position}: a bound must be a number that a float can hold")
    return bound


def _read_rules(position: str, entry: Element, unread: UnreadFields) -> dict[str, Any]:
    """Return the categories of a column, if a rule of the standard's library lists them.

    Only texts can be categories. The valid values of numbers, bools and dates are noted.
    """
    declared = {}
    for rule in entry.get("quality", ()):
        values = rule.get("arguments", {}).get(VALID_VALUES, [])
        facts = {"type": "library", **rule}
        has_texts = TYPES[entry["logicalType"]] == "string" and all(
            isinstance(value, str) for value in values
        )
        is_list = bool(values) and facts == make_value_rule(values)
        if has_texts and is_list and "categories" not in declared:
            declared["categories"] = values
        else:
            unread.note(position, f"quality rule {rule.get('metric') or rule.get('name', '')}")
    return declared
