"""The key columns of a live table, and the keys that Feast gives for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from feast.feature_view import DUMMY_ENTITY_ID, FeatureView
from feast.field import Field
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import String

from streamflow.errors import FeastUnsupported
from streamflow.features.feast_values import TYPES

# Feast sends integers of both widths, whatever the view declares.
INTEGER_FIELDS = frozenset({"int32_val", "int64_val"})
INT32_RANGE = range(-(2**31), 2**31)


@dataclass(frozen=True, kw_only=True)
class KeyColumn:
    """One part of the key of a view.

    value_type   Feast's name of the type, such as INT64
    sql_type     the type of the column
    value_field  the field of Feast's Value that holds such a key
    """

    view: str
    name: str
    value_type: str
    sql_type: str
    value_field: str

    def read(self, key: EntityKey) -> Any:
        """Return this part of a key of Feast. None: it has no value.

        Raises:
            ValueError: the key has no such part, or the part has a different type.
        """
        value = dict(zip(key.join_keys, key.entity_values, strict=True)).get(self.name)
        if value is None:
            raise ValueError(
                f"feature view '{self.view}', key '{self.name}': it is missing; "
                f"the request has {', '.join(key.join_keys)}"
            )
        field = value.WhichOneof("val")
        if field is None or field == "null_val":
            return None
        if not self._accepts(value, field):
            raise ValueError(
                f"feature view '{self.view}', key '{self.name}': expected {self.value_type}, "
                f"got {getattr(value, field)!r} ({field.removesuffix('_val').upper()})"
            )
        return getattr(value, field)

    def _accepts(self, value: Value, field: str) -> bool:
        """Return whether a value can be one of this column."""
        if self.value_field != "int32_val":
            return field == self.value_field or {field, self.value_field} <= INTEGER_FIELDS
        return field in INTEGER_FIELDS and getattr(value, field) in INT32_RANGE


def find_keys(view: FeatureView) -> list[KeyColumn]:
    """Return the key columns of a view. A view without entities has Feast's column for these.

    Raises:
        FeastUnsupported: a key has a type, such as a list, that the key of a table cannot have.
    """
    fields = view.entity_columns or [Field(name=DUMMY_ENTITY_ID, dtype=String)]
    return [_find_key(view, field) for field in fields]


def read_keys(columns: Sequence[KeyColumn], key: EntityKey) -> tuple[Any, ...]:
    """Return the value of each key column."""
    return tuple(column.read(key) for column in columns)


def _find_key(view: FeatureView, field: Field) -> KeyColumn:
    """Return one key column of a view."""
    value_type = field.dtype.to_value_type().name
    if value_type not in TYPES:
        raise FeastUnsupported(
            f"feature view '{view.name}', key '{field.name}': it has the type {value_type}, "
            f"but a key of this store has one of {', '.join(TYPES)}",
            remedy="Give the entity one of these types.",
        )
    sql_type, value_field = TYPES[value_type]
    return KeyColumn(
        view=view.name,
        name=field.name,
        value_type=value_type,
        sql_type=sql_type,
        value_field=value_field,
    )
