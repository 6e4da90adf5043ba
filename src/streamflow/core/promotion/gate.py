"""The gate: what a challenger has to show before it may take the champion's place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamflow.core.training.calibration import Labels
from streamflow.core.training.decision import Economics

Floats = NDArray[np.float64]
Metric = Literal["auc", "average_precision", "brier", "value"]
METRICS: tuple[Metric, ...] = ("auc", "average_precision", "brier", "value")
OF_EACH_CLASS = 10  # rows of it, below which no interval is worth its name: our convention


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What decides between two versions.

    rule        paired-bootstrap: the lower end of the interval of the difference must be above the margin;
                point-estimate: the reference's rule, the difference itself must be
    confidence  of the two-sided interval        min_rows   rows unseen by both, below which nothing is compared
    """

    rule: Literal["paired-bootstrap", "point-estimate"]
    metric: Metric
    margin: float
    confidence: float
    draws: int
    seed: int
    min_rows: int


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One metric of both versions on the same rows. `difference` is positive where the challenger is better; of Brier, too."""

    metric: Metric
    champion: float
    challenger: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One condition, whether it is met, and what shows it."""

    name: str
    passed: bool
    evidence: str


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one version says of the rows: probabilities (n,), and from which on its prediction is 1."""

    probability: Floats
    threshold: float


def should_promote(new: float, champion: float | None, delta: float) -> bool:
    """The reference's rule: true without a champion, or when its score is NaN; else the new one must be above by `delta`.

    >>> should_promote(0.8, None, 0.01), should_promote(0.8, float("nan"), 0.01), should_promote(0.8, 0.795, 0.01)
    (True, True, False)
    """
    return champion is None or isnan(champion) or new > champion + delta


def compare(
    label: Labels, champion: Answers, challenger: Answers, economics: Economics, policy: Policy
) -> tuple[Compared, ...]:
    """Every metric of both, and the paired bootstrap interval of the difference; rows (n,) of both classes.

    Each draw takes rows, as many of each class as there are, and scores both versions on them: what is luck of the rows is
    luck of both.

    >>> label, one = np.array([0, 1] * 20), Answers(probability=np.linspace(0, 1, 40), threshold=0.5)
    >>> policy = Policy(rule="paired-bootstrap", metric="auc", margin=0, confidence=0.95, draws=50, seed=1, min_rows=1)
    >>> compare(label, one, one, Economics(kept_value=2, offer_cost=1, offer_success=1), policy)[0].difference
    0.0
    """
    scorers = [_Scorer(label, side, economics) for side in (champion, challenger)]
    once = np.ones(len(label))
    before, after = (scorer.scores(once) for scorer in scorers)
    drawn = np.array(
        [scorers[1].scores(w) - scorers[0].scores(w) for w in _resampled(label, policy)]
    )
    tail = (1 - policy.confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    better = np.where(np.array(METRICS) == "brier", -1.0, 1.0)
    ends = np.sort(np.array([low, high]) * better, axis=0)
    return tuple(
        Compared(
            metric=metric,
            champion=float(before[i]),
            challenger=float(after[i]),
            difference=float((after[i] - before[i]) * better[i]),
            low=float(ends[0, i]),
            high=float(ends[1, i]),
        )
        for i, metric in enumerate(METRICS)
    )


def _resampled(label: Labels, policy: Policy) -> Iterator[Floats]:
    """How often each row is taken, draw by draw: rows of a class in place of as many rows of that class."""
    generator = np.random.default_rng(policy.seed)
    positive = np.asarray(label).astype(bool)
    sides = [np.flatnonzero(positive), np.flatnonzero(~positive)]
    for _ in range(policy.draws):
        taken = np.concatenate(
            [side[generator.integers(0, len(side), len(side))] for side in sides]
        )
        yield np.bincount(taken, minlength=len(positive)).astype(float)


class _Scorer:
    """The metrics of one version on rows that count several times: its ranking is found once."""

    def __init__(self, label: Labels, side: Answers, economics: Economics) -> None:
        self.positive = np.asarray(label).astype(float)
        falling, group = np.unique(-side.probability, return_inverse=True)
        self.group, self.groups = group, len(falling)
        self.error = (side.probability - self.positive) ** 2
        self.brings = economics.value_by_row(label, side.probability >= side.threshold)

    def scores(self, weight: Floats) -> Floats:
        """AUC, average precision, Brier score and mean value of the rows, each counted `weight` times; (4,)."""
        found = np.bincount(self.group, weight * self.positive, self.groups)
        alarms = np.bincount(self.group, weight * (1 - self.positive), self.groups)
        true, false = np.cumsum(found), np.cumsum(alarms)
        auc = (found * (false[-1] - false + alarms / 2)).sum() / (true[-1] * false[-1])
        flagged = true + false
        precision = np.divide(true, flagged, out=np.zeros_like(true), where=flagged > 0)
        return np.array(
            [
                auc,
                (found * precision).sum() / true[-1],
                (weight * self.error).sum() / weight.sum(),
                (weight * self.brings).sum() / weight.sum(),
            ]
        )


def comparison(compared: tuple[Compared, ...], policy: Policy) -> Gate:
    """Whether the challenger is better by the policy."""
    found = next(c for c in compared if c.metric == policy.metric)
    if policy.rule == "point-estimate":
        passed = should_promote(found.difference, 0.0, policy.margin)
        said = f"difference {found.difference:+.4f}, by the point-estimate policy"
    else:
        passed = found.low > policy.margin
        said = f"difference {found.difference:+.4f}, {policy.confidence:.0%} interval {found.low:+.4f}..{found.high:+.4f}"
    words = f"{policy.metric} {found.challenger:.4f} against the champion's {found.champion:.4f}: {said};"
    return Gate(
        name="comparison", passed=passed, evidence=f"{words} needed is more than {policy.margin:g}"
    )


def enough(label: Labels, policy: Policy) -> str:
    """Why these rows are too few to compare on; empty when they are enough.

    >>> policy = Policy(rule="paired-bootstrap", metric="auc", margin=0, confidence=0.95, draws=50, seed=1, min_rows=50)
    >>> enough(np.array([0, 1] * 5), policy), enough(np.array([0, 1] * 50), policy)
    ('10 rows are unseen by both, needed are 50', '')
    """
    positives = int(np.asarray(label).sum())
    if len(label) < policy.min_rows:
        return f"{len(label)} rows are unseen by both, needed are {policy.min_rows}"
    if min(positives, len(label) - positives) < OF_EACH_CLASS:
        return f"of the {len(label)} rows unseen by both {positives} are positive, needed are {OF_EACH_CLASS} of each class"
    return ""
