"""The encoder, which turns raw feature values into the numbers that a model reads.

Training and serving share it. It uses no vendor's code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamflow.core.data.counts import count_of

if TYPE_CHECKING:
    import polars as pl

Value = bool | int | float | str | None
#: The matrix that a model reads, (n, width).
Matrix = NDArray[np.float64]
#: A category is a text, or a bool or number as a float. None is the null, which is a category too.
Category = float | str | None


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Encodes features into a matrix: one column per learned category, then the numbers.

    A category that was not learned gives zeros in all columns of its feature. A number's null is
    NaN, and true is 1.

    Attributes:
        features: the raw features, in their order.
        categories: categorical feature -> its categories in order.

    >>> encoder = Encoder(features=("fee", "net"), categories={"net": ("DSL", None)})
    >>> encoder.encode_rows([[29.85, None], [29.85, "Fiber"]]).tolist()
    [[0.0, 1.0, 29.85], [0.0, 0.0, 29.85]]
    >>> import polars as pl
    >>> encoder.encode_frame(pl.DataFrame({"fee": [1, None], "net": ["DSL", None]})).tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, nan]]
    """

    features: tuple[str, ...]
    categories: Mapping[str, tuple[Category, ...]]

    @property
    def width(self) -> int:
        """Return the number of columns of the matrix."""
        category_count = sum(len(values) for values in self.categories.values())
        return category_count + len(self._numbers)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return, for each column of the matrix, the feature that it encodes.

        >>> Encoder(features=("fee", "net"), categories={"net": ("DSL", None)}).columns
        ('net', 'net', 'fee')
        """
        categorical = tuple(name for name, values in self.categories.items() for _ in values)
        return categorical + self._numbers

    @cached_property
    def _numbers(self) -> tuple[str, ...]:
        """The features that are not categorical, in their order."""
        return tuple(name for name in self.features if name not in self.categories)

    @cached_property
    def _targets(self) -> tuple[tuple[int, dict[Category, int] | int], ...]:
        """For each feature its position in a row, and its column or its categories' columns."""
        position = {name: i for i, name in enumerate(self.features)}
        targets: list[tuple[int, dict[Category, int] | int]] = []
        column = 0
        for name, categories in self.categories.items():
            category_columns = {category: column + i for i, category in enumerate(categories)}
            targets.append((position[name], category_columns))
            column += len(categories)
        targets += [(position[name], column + i) for i, name in enumerate(self._numbers)]
        return tuple(targets)

    def encode_rows(self, rows: Sequence[Sequence[Value]]) -> Matrix:
        """Encode rows of raw values as a matrix.

        Args:
            rows: each row has its values in the order of `features`.

        Returns:
            (n, width)
        """
        encoded = np.zeros((len(rows), self.width))
        for encoded_row, values in zip(encoded, rows, strict=True):
            self._encode(values, encoded_row)
        return encoded

    def _encode(self, values: Sequence[Value], encoded_row: NDArray[np.float64]) -> None:
        """Write the encoded values of a row into a row of zeros."""
        if len(values) != len(self.features):
            raise ValueError(f"expected {count_of(len(self.features), 'value')}, got {len(values)}")
        for position, target in self._targets:
            value = values[position]
            if isinstance(target, int):
                encoded_row[target] = np.nan if value is None else value
                continue
            column = target.get(_to_category(value))
            if column is not None:
                encoded_row[column] = 1.0

    def encode_frame(self, frame: pl.DataFrame) -> Matrix:
        """Encode the rows of a frame, whose columns are found by name.

        Returns:
            (n, width)
        """
        encoded = np.zeros((len(frame), self.width))
        self.encode_frame_into(frame, encoded)
        return encoded

    def encode_frame_into(self, frame: pl.DataFrame, encoded: Matrix) -> None:
        """Encode the rows of a frame, whose columns are found by name, into a matrix of zeros.

        Args:
            frame: (n, features)
            encoded: (n, width)
        """
        import polars as pl

        column = 0
        for name, categories in self.categories.items():
            values = _make_comparable(frame[name], categories)
            for category in categories:
                encoded[:, column] = (
                    values.is_null() if category is None else values.eq_missing(category)
                ).to_numpy()
                column += 1
        for name in self._numbers:
            encoded[:, column] = frame[name].cast(pl.Float64).to_numpy()
            column += 1


def _to_category(value: Value) -> Category:
    """Return a value in the type of the categories: text as text, all other types as float.

    NaN becomes None. Not every large integer is a float, so the integer itself may be no category.
    """
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    return None if isnan(number) else number


def _make_comparable(values: pl.Series, categories: tuple[Category, ...]) -> pl.Series:
    """Return values in the type of the categories: text as text, all other types as float.

    NaN becomes null.
    """
    import polars as pl

    if values.dtype == pl.String or any(isinstance(category, str) for category in categories):
        return values.cast(pl.String)
    return values.cast(pl.Float64).fill_nan(None)
