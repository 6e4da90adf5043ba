"""Convert between Feast's values and those of PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from feast.feature_view import FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
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
#: A row that was read, as Feast expects it: as_of, feature -> value. Both None: no row.
OnlineRead = tuple[datetime | None, dict[str, Value] | None]


def find_types(view: FeatureView, field: Any) -> tuple[str, str]:
    """Return the SQL type and the Value field of a field of a view."""
    name = field.dtype.to_value_type().name
    if name not in TYPES:
        raise ValueError(
            f"'{view.name}:{field.name}' has the type {name}; this store supports "
            f"{', '.join(TYPES)}"
        )
    return TYPES[name]


def get_key_value(key: EntityKey) -> Value:
    """Return the value of a key that has one part."""
    value: Value = key.entity_values[0]
    return value


def unwrap(value: Value | None) -> Any:
    """Return the Python value in a Value. Both of Feast's forms of a null give None."""
    field = value.WhichOneof("val") if value is not None else None
    return None if field is None or field == "null_val" else getattr(value, field)


def create_answer(row: tuple[Any, ...], fields: Mapping[str, str]) -> OnlineRead:
    """Return a row (key, as_of, features …) in Feast's form.

    Args:
        row: as PostgreSQL returned it.
        fields: feature -> field of its Value, in the order of the row.
    """
    as_of = row[1]
    values = zip(fields.items(), row[2:], strict=True)
    return as_of, {
        name: Value() if value is None else Value(**{field: value})
        for (name, field), value in values
    }


def assume_utc(instant: datetime) -> datetime:
    """Return an instant with its zone. An instant without a zone is taken as UTC."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
