"""Bring the keys of an entity frame into the types of a feature view's rows."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl


def cast_keys(view: str, keys: pl.DataFrame, key_types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return the keys in the types of the rows that they are compared with.

    A number that the type cannot hold becomes null: no row can have this key.

    Args:
        view: the name of the feature view, for the error.
        keys: (n, ·) the key columns of the entity frame.
        key_types: key -> the type of its column in the view's rows.

    Raises:
        ValueError: a key is of a different kind, such as text instead of a number.
    """
    columns = []
    for key, key_type in key_types.items():
        if not _is_comparable(keys[key], key_type):
            raise ValueError(
                f"feature view '{view}', key '{key}': expected {key_type}, "
                f"but the entity frame has {keys[key].dtype}"
            )
        columns.append(keys[key].cast(key_type, strict=False))
    return pl.DataFrame(columns)


def _is_comparable(values: pl.Series, key_type: pl.DataType) -> bool:
    """Return whether equality of the values with values of the type means something."""
    value_type = values.dtype
    if value_type in (key_type, pl.Null):
        return True
    if key_type.is_integer():
        return value_type.is_integer() or _are_whole_numbers(values)
    if key_type.is_float():
        return value_type.is_numeric()
    if key_type == pl.String:
        return value_type in (pl.Categorical, pl.Enum)
    return value_type.is_temporal() and value_type.base_type() == key_type.base_type()


def _are_whole_numbers(values: pl.Series) -> bool:
    """Return whether these are floats without a fraction. pandas makes them of integers and nulls.

    >>> _are_whole_numbers(pl.Series([1.0, None]))
    True
    >>> _are_whole_numbers(pl.Series([1.5]))
    False
    """
    if not values.dtype.is_float():
        return False
    numbers = values.drop_nulls()
    return bool((numbers == numbers.floor()).all())
