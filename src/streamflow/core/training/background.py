"""The background of a version: a summary of each feature over the rows that it learned from.

For each feature it holds the mean, or the share of each category. It holds no key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

from streamflow.core.data.json_text import MALFORMED_JSON, parse_json, readable_json

if TYPE_CHECKING:
    import polars as pl

FILE = "background.json"

Value = bool | int | float | str | None


@dataclass(frozen=True, kw_only=True)
class FeatureSummary:
    """A summary of one feature over many rows.

    Attributes:
        mean: The mean of a number over the rows that have a value. For a bool: the share of true.
            None where the feature has no mean.
        null: The share of rows without a value.
        shares: Each category and its share of all rows. Empty for a number.
    """

    mean: float | None
    null: float
    shares: Mapping[str, float]

    def row_share(self, value: Value) -> float | None:
        """Return the share of rows that have this value.

        Returns:
            None for a number, because few rows have the same number.

        >>> summary = FeatureSummary(mean=None, null=0.25, shares={"DSL": 0.5, "No": 0.25})
        >>> summary.row_share("DSL"), summary.row_share("Fiber"), summary.row_share(None)
        (0.5, 0.0, 0.25)
        """
        if value is None or (isinstance(value, float) and isnan(value)):
            return self.null
        if isinstance(value, bool) and not self.shares:
            true_share = (self.mean or 0.0) * (1 - self.null)
            return true_share if value else 1 - self.null - true_share
        if not self.shares:
            return None
        return self.shares.get(_category_name(value), 0.0)


@dataclass(frozen=True, kw_only=True)
class Background:
    """The summary of every feature, and the number of rows behind it."""

    rows: int
    features: Mapping[str, FeatureSummary]

    @property
    def content(self) -> bytes:
        """Return the file. Equal backgrounds give equal bytes."""
        return readable_json(asdict(self))


def build_background(columns: Iterable[pl.Series], categorical: Iterable[str]) -> Background:
    """Summarize each column of some rows.

    A rare category is part of the background. A key is not.

    Args:
        columns: The features of the rows, each (n,), n > 0; or a frame of them.
        categorical: The names of the categorical features.

    >>> import polars as pl
    >>> frame = pl.DataFrame({"fee": [1.0, None, 3.0], "net": ["DSL", "DSL", None]})
    >>> build_background(frame, ["net"]).features["net"].shares
    {'DSL': 0.6666666666666666}
    """
    categorical_names = set(categorical)
    rows = 0
    features = {}
    for values in columns:
        rows = len(values)
        is_categorical = values.name in categorical_names
        features[values.name] = _summarize(values, categorical=is_categorical)
    return Background(rows=rows, features=features)


def _summarize(values: pl.Series, *, categorical: bool) -> FeatureSummary:
    import polars as pl

    rows = len(values)
    without_nan = values.fill_nan(None) if values.dtype.is_float() else values
    null_share = without_nan.null_count() / rows
    present = without_nan.drop_nulls()
    if categorical:
        # Several large integers can have the same float.
        counts: Counter[str] = Counter()
        for value, count in present.value_counts().iter_rows():
            counts[_category_name(value)] += count
        shares = {name: counts[name] / rows for name in sorted(counts)}
        return FeatureSummary(mean=None, null=null_share, shares=shares)
    if len(present) == 0:
        return FeatureSummary(mean=None, null=null_share, shares={})
    mean = float(present.cast(pl.Float64).to_numpy().mean())
    return FeatureSummary(mean=mean, null=null_share, shares={})


def _category_name(value: Value) -> str:
    """Return the name of a category in JSON.

    A bool or a number gets the name of its float, because the encoder stores it as a float.

    >>> _category_name(True), _category_name(1), _category_name("DSL")
    ('1.0', '1.0', 'DSL')
    """
    if isinstance(value, str):
        return value
    return "" if value is None else repr(float(value))


def parse_background(content: bytes) -> Background:
    """Read the file of a background.

    Raises:
        ValueError: The content is not a background.

    >>> import polars as pl
    >>> background = build_background(pl.DataFrame({"fee": [1.0, 3.0]}), [])
    >>> parse_background(background.content) == background
    True
    """
    try:
        values: Mapping[str, Any] = parse_json(content)
        features = {name: FeatureSummary(**summary) for name, summary in values["features"].items()}
        return Background(rows=int(values["rows"]), features=features)
    except MALFORMED_JSON as exc:
        raise ValueError(f"{exc!r} is missing or has the wrong type") from exc
