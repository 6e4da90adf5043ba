"""How simulated users behave from month to month: the measured columns of usage and payments."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import polars as pl

from streamflow.simulation.random_streams import Floats, Purpose, normal, stream


class Habit(NamedTuple):
    """A measured column: `centre + spread * score`, rounded and clipped.

    The score is nearly normal, with sd 1.

    Attributes:
        low: Smaller values become this value.
        high: Larger values become this value.
        persistence: The correlation of the score with that of the last month.
    """

    centre: float
    spread: float
    low: float
    high: float
    decimals: int
    persistence: float


# Centre and spread are near those of the real drops. A count with few values is a rounded score
# too: 75 % of the users have 0 tickets. The session length is constant in the real drops. Two of
# the three months of a 90-day window stay in the window of the next month.
HABITS: Mapping[str, Habit] = MappingProxyType(
    {
        "watch_hours_30d": Habit(29.5, 6.8, 0, 60, 2, 0.8),
        "avg_session_mins_7d": Habit(29.1, 5.0, 1, 90, 2, 0.6),
        "unique_devices_30d": Habit(2.0, 1.16, 1, 3, 0, 0.9),
        "skips_7d": Habit(5.0, 2.2, 0, 14, 0, 0.5),
        "rebuffer_events_7d": Habit(2.4, 1.5, 0, 10, 0, 0.5),
        "failed_payments_90d": Habit(-0.21, 0.71, 0, 3, 0, 2 / 3),
        "support_tickets_90d": Habit(-0.1, 0.9, 0, 4, 0, 2 / 3),
        "ticket_avg_resolution_hrs_90d": Habit(10.0, 3.9, 1, 25, 1, 2 / 3),
    }
)


def scores(seed: int, month: int, previous: Floats, new_users: int) -> Floats:
    """Continue last month's scores and draw scores for new users.

    Args:
        seed: The seed of the simulation.
        month: The number of the month, from 0 on.
        previous: Last month's scores of the users who stayed, (habits, m).
        new_users: The number of users who joined.

    Returns:
        (habits, n): first the users who stayed, then the new ones.

    >>> scores(1, 1, scores(1, 0, np.empty((len(HABITS), 0)), 5), 2).shape
    (8, 7)
    """
    random = stream(seed, month, Purpose.USAGE)
    rows = []
    for habit, last_scores in zip(HABITS.values(), previous, strict=True):
        # With this factor the variance stays 1.
        noise_factor = sqrt(1 - habit.persistence**2)
        noise = normal(random, len(last_scores))
        old_scores = habit.persistence * last_scores + noise_factor * noise
        new_scores = normal(random, new_users)
        rows.append(np.concatenate([old_scores, new_scores]))
    return np.stack(rows)


def measured(habit: Habit, score: Floats) -> pl.Series:
    """Return the values of the column that belong to these scores, (n,).

    They are integers where the habit has no decimals.

    >>> measured(HABITS["watch_hours_30d"], np.array([0.0, 0.1234])).to_list()
    [29.5, 30.34]
    >>> measured(HABITS["support_tickets_90d"], np.array([-3.0, 2.0])).to_list()
    [0, 2]
    """
    scale = 10**habit.decimals
    exact = habit.centre + habit.spread * score
    rounded = np.rint(exact * scale) / scale
    values = np.clip(rounded, habit.low, habit.high)
    return pl.Series(values if habit.decimals else values.astype(np.int64))
