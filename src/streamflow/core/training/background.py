"""What is usual: of each feature the mean or the shares of its values over the rows that a version learned from, and no key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

import polars as pl

FILE = "background.json"

Value = bool | int | float | str | None


@dataclass(frozen=True, kw_only=True)
class Usual:
    """One feature over many rows.

    mean    of a number, over the rows that have one; of a bool the share of true; None where there is none
    null    the share of rows without a value
    shares  category -> its share of all rows; empty for a number
    """

    mean: float | None
    null: float
    shares: Mapping[str, float]

    def share_of(self, value: Value) -> float | None:
        """The share of rows with this value; None for a number, of which few have the same.

        >>> usual = Usual(mean=None, null=0.25, shares={"DSL": 0.5, "No": 0.25})
        >>> usual.share_of("DSL"), usual.share_of("Fiber"), usual.share_of(None)
        (0.5, 0.0, 0.25)
        """
        if value is None or (isinstance(value, float) and isnan(value)):
            return self.null
        if isinstance(value, bool) and not self.shares:
            true = (self.mean or 0.0) * (1 - self.null)
            return true if value else 1 - self.null - true
        return self.shares.get(_name(value), 0.0) if self.shares else None


@dataclass(frozen=True, kw_only=True)
class Background:
    """Each feature as it usually is."""

    rows: int
    features: Mapping[str, Usual]

    @property
    def content(self) -> bytes:
        """The file: the same bytes for the same background."""
        return (
            json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        ).encode()


def background_of(frame: pl.DataFrame, categorical: Iterable[str]) -> Background:
    """The background of these rows (n, features), n > 0; a category that is rare is in it, a key is not.

    >>> background_of(pl.DataFrame({"fee": [1.0, None, 3.0], "net": ["DSL", "DSL", None]}), ["net"]).features["net"].shares
    {'DSL': 0.6666666666666666}
    """
    wanted = set(categorical)
    return Background(
        rows=len(frame),
        features={name: _usual(frame[name], categorical=name in wanted) for name in frame.columns},
    )


def _usual(values: pl.Series, *, categorical: bool) -> Usual:
    rows, plain = len(values), values.fill_nan(None) if values.dtype.is_float() else values
    present = plain.drop_nulls()
    if categorical:
        counts = {_name(value): count / rows for value, count in present.value_counts().iter_rows()}
        return Usual(mean=None, null=plain.null_count() / rows, shares=dict(sorted(counts.items())))
    mean = float(present.cast(pl.Float64).to_numpy().mean()) if len(present) else None
    return Usual(mean=mean, null=plain.null_count() / rows, shares={})


def _name(value: Value) -> str:
    """A category as JSON can name it: a bool or number as its float, as the encoder has it.

    >>> _name(True), _name(1), _name("DSL")
    ('1.0', '1.0', 'DSL')
    """
    return value if isinstance(value, str) else repr(float(value)) if value is not None else ""


def parse_background(content: bytes) -> Background:
    """Read the file. Raises ValueError when it holds no background.

    >>> whole = background_of(pl.DataFrame({"fee": [1.0, 3.0]}), [])
    >>> parse_background(whole.content) == whole
    True
    """
    try:
        found: Mapping[str, Any] = json.loads(content)
        features = {name: Usual(**usual) for name, usual in found["features"].items()}
        return Background(rows=int(found["rows"]), features=features)
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"{exc!r} is missing or no value of its kind") from exc
