"""Whom to make an offer: what it is worth in money, and the probability from which on it pays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamflow.core.training.calibration import Calibrator, Floats, Labels, calibrator_of

FILE = "decision.json"
NOBODY = float(np.nextafter(1.0, 2.0))  # a threshold that no probability reaches


@dataclass(frozen=True, kw_only=True)
class Economics:
    """What an offer brings and costs, all in one currency.

    kept_value     what a user is worth who would have left and stays
    offer_cost     what an offer costs, whether or not it is taken
    offer_success  the probability that an offer keeps one who would have left
    offer_budget   the most that the offers of one drop may cost in all; None for no limit
    """

    kept_value: float
    offer_cost: float
    offer_success: float
    offer_budget: float | None = None

    def of_rows(self, label: Labels, flagged: NDArray[np.bool_]) -> Floats:
        """What each row brings: an offer to a leaver, an offer to a stayer, or nothing; (n,).

        >>> money = Economics(kept_value=200, offer_cost=20, offer_success=0.3)
        >>> money.of_rows(np.array([1, 0, 1]), np.array([True, True, False])).tolist()
        [40.0, -20.0, 0.0]
        """
        kept = self.offer_success * self.kept_value * np.asarray(label).astype(float)
        return np.where(flagged, kept - self.offer_cost, 0.0)

    def offers(self, rows: int, of: int) -> int:
        """How many of `rows` may get an offer when the budget is shared out over `of` rows.

        >>> Economics(kept_value=200, offer_cost=20, offer_success=0.3, offer_budget=1000).offers(75, 100)
        37
        """
        if self.offer_budget is None or self.offer_cost == 0:
            return rows
        return min(rows, int(self.offer_budget * rows / of / self.offer_cost))


def best_threshold(label: Labels, probability: Floats, economics: Economics, *, of: int) -> float:
    """The probability from which on offers brought the most on these rows, within the budget; the highest of equals.

    label, probability  (n,)      of  rows that the budget is for; these n are a part of them

    NOBODY where no offer pays.

    >>> money = Economics(kept_value=200, offer_cost=20, offer_success=0.3)
    >>> best_threshold(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.6, 0.8]), money, of=4)
    0.4
    """
    order = np.argsort(-probability, kind="stable")
    falling = probability[order]
    brought = np.cumsum(economics.of_rows(label, np.ones(len(order), dtype=bool))[order])
    last_of_equals = np.r_[np.flatnonzero(np.diff(falling)), len(falling) - 1]
    affordable = last_of_equals[last_of_equals < economics.offers(len(falling), of)]
    if len(affordable) == 0 or brought[affordable].max() <= 0:
        return NOBODY
    return float(falling[affordable[np.argmax(brought[affordable])]])


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What makes a prediction of a model's answer: stored with the version, and used wherever it answers.

    rule   how the threshold was found, in words
    """

    threshold: float
    rule: str
    calibrator: Calibrator
    economics: Economics

    @property
    def content(self) -> bytes:
        """The file: the same bytes for the same decision."""
        values = {**asdict(self), "calibrator": self.calibrator.values}
        return (json.dumps(values, indent=1, sort_keys=True) + "\n").encode()

    @property
    def digest(self) -> str:
        """sha256 of the file."""
        return sha256(self.content).hexdigest()


def parse_decision(content: bytes) -> Decision:
    """Read the file. Raises ValueError when it holds no decision."""
    try:
        found: Mapping[str, Any] = json.loads(content)
        return Decision(
            threshold=float(found["threshold"]),
            rule=str(found["rule"]),
            calibrator=calibrator_of(found["calibrator"]),
            economics=Economics(**found["economics"]),
        )
    except (KeyError, TypeError) as exc:
        raise ValueError(f"{exc!r} is missing or no value of its kind") from exc
