"""What the Open Data Contract Standard and our catalog call the same things.

The standard has no word for an entity, a label, a feature view, a default, a file format, or an
aggregate of events. These stand in `customProperties`, whose names begin with `streamflow`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

API_VERSION = "v3.1.0"
KIND = "DataContract"

# Type of a column in the catalog -> logical type of the standard.
LOGICAL_TYPES = {
    "string": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "date": "date",
    "timestamp": "timestamp",
}
# Option of a column in the catalog -> option of a logical type.
TYPE_OPTIONS = {"min": "minimum", "max": "maximum", "max_length": "maxLength"}
# Option of a column in the catalog -> field of a property.
FIELDS = {"header": "physicalName", "words": "businessName", "expr": "transformLogic"}
# Option of a column in the catalog -> our own property.
COLUMN_PROPERTIES = {
    "view": "streamflowView",
    "categorical": "streamflowCategorical",
    "counter": "streamflowCounter",
    "tenure": "streamflowTenure",
    "default": "streamflowDefault",
}
# Says that a snapshot computes the column by its `transformLogic`. Without it the file holds the
# column, and the logic says how somebody made the file.
DERIVED = "streamflowDerived"
ENTITY = "streamflowEntity"
LABEL = "streamflowLabel"
VIEWS = "streamflowViews"
TTL_DAYS = "streamflowTtlDays"
FILE_FORMAT = "streamflowFileFormat"
EVENTS = "streamflowEvents"

# A `physicalName` that ends in one of these is the name of a file.
FILE_ENDINGS = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".xlsx")

# The rule of the standard that says which values a column can have.
VALID_VALUES = "validValues"


def make_value_rule(categories: list[str]) -> dict[str, Any]:
    """Return the rule of the standard's library that no value is a different one."""
    return {
        "type": "library",
        "metric": "invalidValues",
        "arguments": {VALID_VALUES: categories},
        "mustBe": 0,
    }


def list_custom_properties(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return our own properties as the standard writes them."""
    return [{"property": name, "value": value} for name, value in values.items()]


def read_custom_properties(element: Mapping[str, Any]) -> dict[str, Any]:
    """Return name -> value of the custom properties of an element.

    >>> read_custom_properties({"customProperties": [{"property": "a", "value": 1}]})
    {'a': 1}
    """
    return {entry["property"]: entry["value"] for entry in element.get("customProperties", ())}
