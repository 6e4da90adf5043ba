"""Reasons: what each feature adds to what a model says, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamflow.core.training.background import Background, FeatureSummary, Value

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Population:
    """A feature among those that the version learned from; both None where the version does not say.

    mean   of a number; of a bool the share of true
    share  of those with the same category, or without a value as well
    """

    mean: float | None = None
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What one feature adds to the margin."""

    feature: str
    words: str
    value: Value
    population: Population
    contribution: float

    def __str__(self) -> str:
        """One line.

        >>> usual = Population(mean=64.8)
        >>> print(Contribution(feature="monthly_fee", words="monthly fee", value=95.2, population=usual, contribution=0.123))
        +0.1230  monthly fee is 95.2 (on average 64.8)
        >>> usual = Population(share=0.44)
        >>> print(Contribution(feature="net", words="internet service", value=None, population=usual, contribution=-0.02))
        -0.0200  internet service has no value (as 44 % of the population)
        """
        said = "has no value" if self.value is None else f"is {_plain(self.value)}"
        usual = ""
        if self.population.share is not None:
            usual = f" (as {self.population.share * 100:.3g} % of the population)"
        elif self.population.mean is not None:
            usual = f" (on average {self.population.mean:.4g})"
        return f"{self.contribution:+.4f}  {self.words} {said}{usual}"


def _plain(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """base + the contributions = margin, to 1e-6; the largest contribution first.

    unit   what the margin is: "probability" before calibration, or "log-odds"
    """

    unit: str
    base: float
    margin: float
    contributions: tuple[Contribution, ...]

    def top(self, count: int) -> tuple[Contribution, ...]:
        """The `count` largest contributions."""
        return self.contributions[:count]


def explanation(
    *,
    unit: str,
    base: float,
    margin: float,
    values: Mapping[str, Value],
    contributions: Sequence[float],
    background: Background | None,
    words: Mapping[str, str],
) -> Explanation:
    """One row in words; `values` and `contributions` are in the order of the features."""
    found = [
        Contribution(
            feature=feature,
            words=words.get(feature, feature.replace("_", " ")),
            value=value,
            population=_population(background.features.get(feature) if background else None, value),
            contribution=float(contribution),
        )
        for (feature, value), contribution in zip(values.items(), contributions, strict=True)
    ]
    ordered = tuple(sorted(found, key=lambda c: -abs(c.contribution)))
    return Explanation(unit=unit, base=float(base), margin=float(margin), contributions=ordered)


def _population(usual: FeatureSummary | None, value: Value) -> Population:
    return Population(mean=usual.mean, share=usual.row_share(value)) if usual else Population()


def by_feature(contributions: Floats, columns: Sequence[str], features: Sequence[str]) -> Floats:
    """Add up the columns that one feature became. (n, columns) -> (n, features)

    columns   of each column the feature that it encodes

    >>> by_feature(np.array([[0.1, 0.2, 0.5]]), ["net", "net", "fee"], ["fee", "net"]).round(3).tolist()
    [[0.5, 0.3]]
    """
    totals = np.zeros((len(contributions), len(features)))
    place = {feature: i for i, feature in enumerate(features)}
    for column, feature in enumerate(columns):
        totals[:, place[feature]] += contributions[:, column]
    return totals
