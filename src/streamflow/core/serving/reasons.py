"""Reasons for an answer: what each feature adds to the output of the model, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamflow.core.training.background import Background, FeatureSummary, Value

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class UsualValue:
    """What is usual for a feature among the rows that the version learned from.

    Both fields are None where the version has no background.

    Attributes:
        mean: The mean of a number. For a bool: the share of true.
        share: The share of rows with the same category, or of rows that have no value either.
    """

    mean: float | None = None
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What one feature adds to the margin.

    Attributes:
        words: What people call the feature.
    """

    feature: str
    words: str
    value: Value
    population: UsualValue
    contribution: float

    def __str__(self) -> str:
        """Return the contribution as one line.

        >>> fee = Contribution(
        ...     feature="monthly_fee",
        ...     words="monthly fee",
        ...     value=95.2,
        ...     population=UsualValue(mean=64.8),
        ...     contribution=0.123,
        ... )
        >>> print(fee)
        +0.1230  monthly fee is 95.2 (on average 64.8)
        >>> net = Contribution(
        ...     feature="net",
        ...     words="internet service",
        ...     value=None,
        ...     population=UsualValue(share=0.44),
        ...     contribution=-0.02,
        ... )
        >>> print(net)
        -0.0200  internet service has no value (as 44 % of the population)
        """
        statement = "has no value" if self.value is None else f"is {_value_in_words(self.value)}"
        comparison = ""
        if self.population.share is not None:
            comparison = f" (as {self.population.share * 100:.3g} % of the population)"
        elif self.population.mean is not None:
            comparison = f" (on average {self.population.mean:.4g})"
        return f"{self.contribution:+.4f}  {self.words} {statement}{comparison}"


def _value_in_words(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The reasons for one answer, the largest contribution first.

    The base plus all contributions equals the margin. The margin plus the calibration equals the
    served probability, in the unit of the explanation. Both hold to 1e-9.

    Attributes:
        unit: What all these numbers are: "probability", or "log-odds".
        base: The average output of the model on its training rows, before calibration.
        margin: The output of the model for this row, before calibration.
        calibration: What the calibration adds to the margin. It is zero without a calibrator.
    """

    unit: str
    base: float
    margin: float
    calibration: float
    contributions: tuple[Contribution, ...]

    @property
    def served(self) -> float:
        """Return the served probability in the unit of the explanation."""
        return self.margin + self.calibration

    def top(self, count: int) -> tuple[Contribution, ...]:
        """Return the `count` largest contributions."""
        return self.contributions[:count]


def build_explanation(
    *,
    unit: str,
    base: float,
    margin: float,
    calibration: float,
    values: Mapping[str, Value],
    contributions: Sequence[float],
    background: Background | None,
    words: Mapping[str, str],
) -> Explanation:
    """Explain one answer in words.

    Args:
        unit: What the margin is.
        base: The average output of the model on its training rows.
        margin: The output of the model for this row.
        calibration: What the calibration adds to the margin.
        values: Each feature and its value, in the order of the features.
        contributions: What each feature adds, in the same order.
        background: What is usual. None where the version does not have it.
        words: Each feature and what people call it. A feature without an entry keeps its name.
    """
    summaries = background.features if background else {}
    unordered = []
    for (feature, value), contribution in zip(values.items(), contributions, strict=True):
        reason = Contribution(
            feature=feature,
            words=words.get(feature, feature.replace("_", " ")),
            value=value,
            population=_usual_value(summaries.get(feature), value),
            contribution=float(contribution),
        )
        unordered.append(reason)
    largest_first = sorted(unordered, key=lambda reason: -abs(reason.contribution))
    return Explanation(
        unit=unit,
        base=float(base),
        margin=float(margin),
        calibration=float(calibration),
        contributions=tuple(largest_first),
    )


def _usual_value(summary: FeatureSummary | None, value: Value) -> UsualValue:
    if summary is None:
        return UsualValue()
    return UsualValue(mean=summary.mean, share=summary.row_share(value))


def sum_by_feature(
    contributions: Floats,
    columns: Sequence[str],
    features: Sequence[str],
) -> Floats:
    """Add up the contributions of the encoded columns that come from the same feature.

    Args:
        contributions: (n, columns).
        columns: For each column the feature that it encodes.
        features: The features, in the order of the result.

    Returns:
        (n, features).

    >>> contributions = np.array([[0.1, 0.2, 0.5]])
    >>> sum_by_feature(contributions, ["net", "net", "fee"], ["fee", "net"]).round(3).tolist()
    [[0.5, 0.3]]
    """
    totals = np.zeros((len(contributions), len(features)))
    number_of = {feature: number for number, feature in enumerate(features)}
    for column, feature in enumerate(columns):
        totals[:, number_of[feature]] += contributions[:, column]
    return totals
