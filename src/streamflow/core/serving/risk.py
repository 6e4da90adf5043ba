"""Rules for lists of users at risk: value at risk, who moved, and how well probabilities held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

# A user moved if the probability changed by at least five points. This is a convention: smaller
# changes are usual from one drop to the next.
MOVED = 0.05

# Fewer users than this say little about a share.
MIN_USERS = 20

# A percentage was missed if the share that left differs by more than ten points, a convention, and
# by more than three standard deviations, which chance alone exceeds in 3 of 1,000 cases.
MISSED_POINTS = 10
CHANCE_DEVIATIONS = 3

Move = Literal["up", "down", "same", "new"]


@dataclass(frozen=True, kw_only=True)
class OutcomeTenth:
    """What became of the users whose probability lies in one tenth, such as 30 to 40 %.

    expected  the sum of their probabilities
    churned   how many of them left
    """

    tenth: int
    users: int
    expected: float
    churned: int


@dataclass(frozen=True, kw_only=True)
class CalibrationExample:
    """How well probabilities held: of 100 users with `percent` %, `churned_of_100` left."""

    percent: int
    churned_of_100: int
    users: int

    @property
    def is_missed(self) -> bool:
        """Whether more or fewer users left than the percentage said, by far and not by chance.

        >>> CalibrationExample(percent=65, churned_of_100=22, users=613).is_missed
        True
        >>> CalibrationExample(percent=65, churned_of_100=57, users=613).is_missed
        False
        >>> CalibrationExample(percent=65, churned_of_100=45, users=20).is_missed
        False
        """
        expected = self.percent / 100
        deviation = 100 * sqrt(expected * (1 - expected) / self.users)
        miss = abs(self.percent - self.churned_of_100)
        return miss > max(MISSED_POINTS, CHANCE_DEVIATIONS * deviation)


def value_at_risk(probability: float | None, kept_value: float | None) -> float | None:
    """Return the money that is expected to be lost with a user; None if either is not known.

    >>> value_at_risk(0.25, 200.0)
    50.0
    >>> value_at_risk(0.25, None) is None
    True
    """
    if probability is None or kept_value is None:
        return None
    return probability * kept_value


def subtract_earlier(probability: float | None, earlier: float | None) -> float | None:
    """Return how much a probability changed since the scored drop before; None: one is missing.

    >>> subtract_earlier(0.75, 0.5), subtract_earlier(0.75, None)
    (0.25, None)
    """
    if probability is None or earlier is None:
        return None
    return probability - earlier


def classify_move(probability: float | None, earlier: float | None) -> Move:
    """Say whether a user moved since the scored drop before.

    >>> classify_move(0.5, 0.4), classify_move(0.4, 0.5), classify_move(0.4, 0.41)
    ('up', 'down', 'same')
    >>> classify_move(0.4, None)
    'new'
    """
    if probability is None or earlier is None:
        return "new"
    if abs(probability - earlier) < MOVED:
        return "same"
    return "up" if probability > earlier else "down"


def read_tenths(rows: Sequence[Sequence[float]]) -> tuple[OutcomeTenth, ...]:
    """Make the tenths of an outcome from their stored numbers.

    >>> read_tenths([[3, 100, 35.0, 28]])[0].churned
    28
    """
    return tuple(
        OutcomeTenth(
            tenth=int(tenth),
            users=int(users),
            expected=float(expected),
            churned=int(churned),
        )
        for tenth, users, expected, churned in rows
    )


def choose_example(tenths: Sequence[OutcomeTenth]) -> CalibrationExample | None:
    """Choose the tenth that says most about churn: the one with the most expected churn.

    Returns:
        None where no tenth has enough users.

    >>> tenths = read_tenths([[0, 900, 27.0, 30], [3, 100, 30.0, 28]])
    >>> choose_example(tenths)
    CalibrationExample(percent=30, churned_of_100=28, users=100)
    >>> choose_example(read_tenths([[9, 3, 2.8, 3]])) is None
    True
    """
    large_tenths = [tenth for tenth in tenths if tenth.users >= MIN_USERS]
    if not large_tenths:
        return None
    example = max(large_tenths, key=lambda tenth: tenth.expected)
    return CalibrationExample(
        percent=round(100 * example.expected / example.users),
        churned_of_100=round(100 * example.churned / example.users),
        users=example.users,
    )
