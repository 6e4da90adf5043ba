"""The encoder: raw feature values to the numbers that a model reads. Training and serving share it, and no vendor is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan

import numpy as np
import polars as pl
from numpy.typing import NDArray

Value = bool | int | float | str | None
Category = (
    float | str | None
)  # a categorical bool or number is its float; None is the null, a category of its own


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Each categorical feature becomes one column per category learned, then come the numbers as they are.

    features    the raw features, in their order
    categories  categorical feature -> its categories in order; one not learned is all zeros

    A number's null is NaN; true is 1.

    >>> encoder = Encoder(features=("fee", "net"), categories={"net": ("DSL", None)})
    >>> encoder.rows([[29.85, None], [29.85, "Fiber"]]).tolist()
    [[0.0, 1.0, 29.85], [0.0, 0.0, 29.85]]
    >>> encoder.matrix(pl.DataFrame({"fee": [1, None], "net": ["DSL", None]})).tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, nan]]
    """

    features: tuple[str, ...]
    categories: Mapping[str, tuple[Category, ...]]

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return sum(map(len, self.categories.values())) + len(self._numbers)

    @property
    def columns(self) -> tuple[str, ...]:
        """Of each column of the matrix the feature that it encodes.

        >>> Encoder(features=("fee", "net"), categories={"net": ("DSL", None)}).columns
        ('net', 'net', 'fee')
        """
        return (
            tuple(name for name, categories in self.categories.items() for _ in categories)
            + self._numbers
        )

    @cached_property
    def _numbers(self) -> tuple[str, ...]:
        return tuple(name for name in self.features if name not in self.categories)

    @cached_property
    def _places(self) -> tuple[tuple[int, dict[Category, int] | int], ...]:
        """For each feature its position in a row, and the column of its number or of each of its categories."""
        position = {name: i for i, name in enumerate(self.features)}
        places: list[tuple[int, dict[Category, int] | int]] = []
        column = 0
        for name, categories in self.categories.items():
            places.append((position[name], {c: column + i for i, c in enumerate(categories)}))
            column += len(categories)
        places += [(position[name], column + i) for i, name in enumerate(self._numbers)]
        return tuple(places)

    def rows(self, rows: Sequence[Sequence[Value]]) -> NDArray[np.float64]:
        """Rows of raw values, each in the order of `features`; shape (n, width)."""
        encoded = np.zeros((len(rows), self.width))
        for into, values in zip(encoded, rows, strict=True):
            self._encode(values, into)
        return encoded

    def _encode(self, values: Sequence[Value], into: NDArray[np.float64]) -> None:
        if len(values) != len(self.features):
            raise ValueError(f"expected {len(self.features)} values, got {len(values)}")
        for position, place in self._places:
            value = values[position]
            if isinstance(place, int):
                into[place] = np.nan if value is None else value
                continue
            column = place.get(None if isinstance(value, float) and isnan(value) else value)
            if column is not None:
                into[column] = 1.0

    def matrix(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Rows of raw values; the frame's columns are found by name; shape (n, width)."""
        encoded = np.zeros((len(frame), self.width))
        column = 0
        for name, categories in self.categories.items():
            values = _comparable(frame[name], categories)
            for category in categories:
                encoded[:, column] = (
                    values.is_null() if category is None else values.eq_missing(category)
                ).to_numpy()
                column += 1
        for name in self._numbers:
            encoded[:, column] = frame[name].cast(pl.Float64).to_numpy()
            column += 1
        return encoded


def _comparable(values: pl.Series, categories: tuple[Category, ...]) -> pl.Series:
    """Text stays text; everything else becomes a float, with NaN as null."""
    if values.dtype == pl.String or any(isinstance(c, str) for c in categories):
        return values.cast(pl.String)
    return values.cast(pl.Float64).fill_nan(None)
