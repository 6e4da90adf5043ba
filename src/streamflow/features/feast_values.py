"""Convert between Feast's values and those of PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from feast.feature_view import FeatureView
from feast.protos.feast.types.Value_pb2 import Value

#: Feast's value type -> SQL type, field of Feast's Value.
TYPES = {
    "BOOL": ("boolean", "bool_val"),
    "INT32": ("integer", "int32_val"),
    "INT64": ("bigint", "int64_val"),
    "FLOAT": ("real", "float_val"),
    "DOUBLE": ("double precision", "double_val"),
    "STRING": ("text", "string_val"),
    "BYTES": ("bytea", "bytes_val"),
    "UNIX_TIMESTAMP": ("bigint", "unix_timestamp_val"),
}
# Values of every different type, such as lists, are stored whole, as the bytes of Feast's Value.
WHOLE_VALUE = "whole value"
STORED_WHOLE = ("bytea", WHOLE_VALUE)
#: A row that was read, as Feast expects it: as_of, feature -> value. Both None: no row.
OnlineRead = tuple[datetime | None, dict[str, Value] | None]


def find_types(field: Any) -> tuple[str, str]:
    """Return the SQL type of a field of a view, and the field of its Value or WHOLE_VALUE."""
    return TYPES.get(field.dtype.to_value_type().name, STORED_WHOLE)


def find_features(view: FeatureView) -> dict[str, tuple[str, str]]:
    """Return feature -> the types of `find_types`. A key is no feature.

    Feast lists the keys of a stream feature view among its features, too.
    """
    keys = {column.name for column in view.entity_columns}
    return {field.name: find_types(field) for field in view.features if field.name not in keys}


def to_column_value(value: Value | None, value_field: str) -> Any:
    """Return what a column holds for a value. Both of Feast's forms of a null give None."""
    field = value.WhichOneof("val") if value is not None else None
    if value is None or field is None or field == "null_val":
        return None
    return value.SerializeToString() if value_field == WHOLE_VALUE else getattr(value, field)


def to_feast_value(column_value: Any, value_field: str) -> Value:
    """Return the Value of what a column holds. A null gives an empty Value."""
    if column_value is None:
        return Value()
    if value_field == WHOLE_VALUE:
        whole_value: Value = Value.FromString(column_value)
        return whole_value
    return Value(**{value_field: column_value})


def create_answer(row: tuple[Any, ...], fields: Mapping[str, str]) -> OnlineRead:
    """Return a row (as_of, features …) in Feast's form.

    Args:
        row: as PostgreSQL returned it.
        fields: feature -> field of its Value, in the order of the row.
    """
    as_of, *column_values = row
    values = zip(fields.items(), column_values, strict=True)
    return as_of, {
        name: to_feast_value(column_value, field) for (name, field), column_value in values
    }


def assume_utc(instant: datetime) -> datetime:
    """Return an instant with its zone. An instant without a zone is taken as UTC."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
