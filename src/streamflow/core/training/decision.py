"""Whom to make an offer: what an offer is worth, and from which probability on it pays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamflow.core.data.json_text import MALFORMED_JSON, parse_json, readable_json
from streamflow.core.statistics.curves import count_above, order_groups
from streamflow.core.statistics.threshold import Threshold, parse_threshold, stored_threshold
from streamflow.core.training.calibration import Labels
from streamflow.core.training.calibrator import Calibrator, Floats, parse_calibrator

FILE = "decision.json"
# How the threshold was found: the rules that a decision can name.
MOST_VALUE = "most value on out-of-fold predictions of the training side"
HIGHEST_F1 = "highest F1 on out-of-fold predictions of the training side"
RULE_SET = "set"


@dataclass(frozen=True, kw_only=True)
class Economics:
    """What an offer brings and costs, all in one currency.

    Attributes:
        kept_value: What it is worth when a user stays who would have left.
        offer_cost: What an offer costs, whether the user accepts it or not.
        offer_success: The probability that an offer keeps a user who would have left.
        offer_budget: The most that all offers of one drop may cost. None means no limit.
    """

    kept_value: float
    offer_cost: float
    offer_success: float
    offer_budget: float | None = None

    def value_by_row(self, label: Labels, flagged: NDArray[np.bool_]) -> Floats:
        """Return what each row brings, (n,).

        A row can bring the value of an offer to a user who leaves, the cost of an offer to a user
        who stays, or zero without an offer.

        >>> economics = Economics(kept_value=200, offer_cost=20, offer_success=0.3)
        >>> economics.value_by_row(np.array([1, 0, 1]), np.array([True, True, False])).tolist()
        [40.0, -20.0, 0.0]
        """
        leaves = np.asarray(label).astype(float)
        value_if_offered = self.offer_success * self.kept_value * leaves
        return np.where(flagged, value_if_offered - self.offer_cost, 0.0)

    def affordable_offers(self, rows: int, budget_rows: int) -> int:
        """Return how many of `rows` may get an offer.

        Args:
            rows: The number of rows that are looked at.
            budget_rows: The number of rows that share the whole budget.

        >>> economics = Economics(
        ...     kept_value=200, offer_cost=20, offer_success=0.3, offer_budget=1000
        ... )
        >>> economics.affordable_offers(75, 100)
        37
        """
        if self.offer_budget is None or self.offer_cost == 0:
            return rows
        return min(rows, int(self.offer_budget * rows / budget_rows / self.offer_cost))


def best_threshold(
    label: Labels,
    probability: Floats,
    economics: Economics,
    *,
    budget_rows: int,
) -> Threshold:
    """Find the threshold whose offers bring the most money on these rows, within the budget.

    Of equally good thresholds it returns the highest, and None if no offer pays.

    Args:
        label: What happened, (n,).
        probability: The calibrated probability, (n,).
        budget_rows: The number of rows that the budget is for. These n rows are a part of them.

    >>> economics = Economics(kept_value=200, offer_cost=20, offer_success=0.3)
    >>> label, probability = np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.6, 0.8])
    >>> best_threshold(label, probability, economics, budget_rows=4)
    0.4
    """
    # Rows with the same probability get an offer together, so only the last of them can be an end.
    order, last_of_equals = order_groups(probability)
    everybody = np.ones(len(order), dtype=bool)
    value_by_row = economics.value_by_row(label, everybody)
    cumulative_value = np.cumsum(value_by_row[order])
    offers = economics.affordable_offers(len(order), budget_rows)
    affordable = last_of_equals[last_of_equals < offers]
    values = cumulative_value[affordable]
    if len(affordable) == 0 or values.max() <= 0:
        return None
    best = affordable[np.argmax(values)]
    return float(probability[order[best]])


def best_f1_threshold(label: Labels, probability: Floats) -> float:
    """Find the threshold with the highest F1 on these rows; of equally good ones the highest.

    Args:
        label: What happened, (n,), with a positive.
        probability: The calibrated probability, (n,).

    >>> best_f1_threshold(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.6, 0.8]))
    0.4
    """
    thresholds, true_positives, false_positives = count_above(label, probability)
    positives = true_positives[-1]
    f1 = 2 * true_positives / (true_positives + false_positives + positives)
    return float(thresholds[np.argmax(f1)])


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How a probability of the model becomes a prediction.

    It is stored with the version, and used wherever the version answers.

    Attributes:
        threshold: The probability from which on a row is flagged; None: nobody is.
        rule: How the threshold was found, in words.
        economics: What an offer brings and costs; None where the money is not set.
    """

    threshold: Threshold
    rule: str
    calibrator: Calibrator
    economics: Economics | None

    @property
    def content(self) -> bytes:
        """Return the file. Equal decisions give equal bytes."""
        return self.content_with(stored_threshold(self.threshold))

    def content_with(self, stored: float | str) -> bytes:
        """Return the file with a threshold in a stored form, such as that of an earlier release."""
        values = {
            **asdict(self),
            "calibrator": self.calibrator.values,
            "threshold": stored,
        }
        return readable_json(values)

    @property
    def digest(self) -> str:
        """Return the sha256 of the file's content."""
        return sha256(self.content).hexdigest()


def parse_economics(values: Mapping[str, Any] | None) -> Economics | None:
    """Make the economics from their stored values; None where the money is not set."""
    return None if values is None else Economics(**values)


def parse_decision(content: bytes) -> Decision:
    """Read the file of a decision.

    Raises:
        ValueError: The content is not a decision.
    """
    try:
        values: Mapping[str, Any] = parse_json(content)
        return Decision(
            threshold=parse_threshold(values["threshold"]),
            rule=str(values["rule"]),
            calibrator=parse_calibrator(values["calibrator"]),
            economics=parse_economics(values["economics"]),
        )
    except MALFORMED_JSON as exc:
        raise ValueError(f"{exc!r} is missing or has the wrong type") from exc
