"""How long a phase of the API takes, read from the counts of a histogram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isinf

# The share of the requests whose time is shown: 95 of 100 took no longer.
MOST_SHARE = 0.95


@dataclass(frozen=True, kw_only=True)
class PhaseTime:
    """How long one phase took since the API was started.

    count   how often it was measured
    mean_s  None: it was never measured
    most_s  95 of 100 took at most this long, as a bound of the histogram; None: it was never
            measured, or more than 5 of 100 took longer than the last bound
    """

    phase: str
    count: int
    mean_s: float | None
    most_s: float | None


def make_phase_time(
    phase: str,
    total_s: float,
    buckets: Sequence[tuple[float, float]],
) -> PhaseTime:
    """Read one phase from its histogram.

    Args:
        total_s: the sum of all measured times
        buckets: upper bounds in seconds in their order, the last one infinite, each with the count
            of the times that are not above it

    >>> make_phase_time("model", 0.5, [(0.1, 90.0), (0.25, 99.0), (float("inf"), 100.0)])
    PhaseTime(phase='model', count=100, mean_s=0.005, most_s=0.25)
    >>> make_phase_time("log", 0.0, [(0.1, 0.0), (float("inf"), 0.0)])
    PhaseTime(phase='log', count=0, mean_s=None, most_s=None)
    """
    count = int(buckets[-1][1]) if buckets else 0
    if not count:
        return PhaseTime(phase=phase, count=0, mean_s=None, most_s=None)
    most_s = next((bound for bound, below in buckets if below >= MOST_SHARE * count), inf)
    if isinf(most_s):
        return PhaseTime(phase=phase, count=count, mean_s=total_s / count, most_s=None)
    return PhaseTime(phase=phase, count=count, mean_s=total_s / count, most_s=most_s)
