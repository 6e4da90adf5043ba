"""Divide a change among its causes: Shapley's value, exact, over every combination of the causes.

The share of a cause is the effect of swapping this cause alone, averaged over all orders in which
the causes could be swapped. The shares add up to the whole change. A cause without effect gets 0.
An effect that two causes have only together is divided equally between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import compress, product
from math import comb

# A smaller change gets no percentages: nobody reads a score more precisely; our convention.
NEGLIGIBLE = 0.001

# The smallest share that four digits show.
VISIBLE = 0.00005

NOT_EXPLAINED = "not explained"
METRIC_NAMES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "log_loss": "log loss",
    "f1": "F1",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
}


@dataclass(frozen=True, kw_only=True)
class CauseShare:
    """The part of a change that one cause is responsible for.

    percent  of the whole change; None where the whole change is negligible
    """

    cause: str
    value: float
    percent: float | None


@dataclass(frozen=True, kw_only=True)
class MetricChange:
    """The change of one metric between two versions, and the share of each cause."""

    metric: str
    a: float
    b: float
    change: float
    shares: tuple[CauseShare, ...]


def combinations(causes: Sequence[str]) -> list[frozenset[str]]:
    """List every set of causes that can be swapped.

    The empty set is first; the last cause changes fastest.

    >>> [sorted(swapped) for swapped in combinations(["x", "y"])]
    [[], ['y'], ['x'], ['x', 'y']]
    """
    choices = product((False, True), repeat=len(causes))
    return [frozenset(compress(causes, choice)) for choice in choices]


def shapley(value: Mapping[frozenset[str], float]) -> dict[str, Fraction]:
    """Return the share of each cause in value(all causes) - value(no cause).

    `value` holds the score of every combination of the causes. The shares are exact, because they
    are computed with rational numbers.

    >>> value = {
    ...     frozenset(): 0.75, frozenset("x"): 0.5, frozenset("y"): 0.75, frozenset("xy"): 0.25
    ... }
    >>> {cause: float(share) for cause, share in shapley(value).items()}
    {'x': -0.375, 'y': -0.125}
    """
    causes = max(value, key=len)
    # The weight of an effect, by the number of causes that were swapped before.
    count = len(causes)
    weights = [Fraction(1, count * comb(count - 1, swapped)) for swapped in range(count)]
    shares = {}
    for cause in sorted(causes):
        share = Fraction(0)
        for swapped_before in value:
            if cause not in swapped_before:
                score_before = Fraction(value[swapped_before])
                score_after = Fraction(value[swapped_before | {cause}])
                share += weights[len(swapped_before)] * (score_after - score_before)
        shares[cause] = share
    return shares


def explain_change(
    metric: str,
    a: float,
    b: float,
    value: Mapping[frozenset[str], float],
    *,
    remainder_cause: str,
) -> MetricChange:
    """Divide the change of a metric from `a` to `b` among its causes.

    The part of the change that the combinations do not show is the share of `remainder_cause`.

    >>> value = {frozenset(): 0.75, frozenset({"labels"}): 0.5}
    >>> change = explain_change("auc", 0.75, 0.25, value, remainder_cause="code")
    >>> [(share.cause, share.value, share.percent) for share in change.shares]
    [('labels', -0.25, 50.0), ('code', -0.25, 50.0)]
    """
    total = Fraction(b) - Fraction(a)
    shares = shapley(value)
    unexplained = total - sum(shares.values())
    if unexplained:
        shares[remainder_cause] = unexplained
    return MetricChange(
        metric=metric,
        a=a,
        b=b,
        change=float(total),
        shares=tuple(_make_share(cause, share, total) for cause, share in shares.items()),
    )


def _make_share(cause: str, share: Fraction, total: Fraction) -> CauseShare:
    percent = float(100 * share / total) if abs(total) >= NEGLIGIBLE else None
    return CauseShare(cause=cause, value=float(share), percent=percent)


def describe_change(change: MetricChange, descriptions: Mapping[str, str]) -> str:
    r"""Describe a change in one sentence, the largest share first.

    `descriptions` holds longer descriptions of some causes, by cause.

    >>> value = {frozenset(): 0.75, frozenset({"labels"}): 0.25}
    >>> change = explain_change("auc", 0.75, 0.25, value, remainder_cause="code")
    >>> sentence = describe_change(change, {"labels": "the labels (of 2024-02-29)"})
    >>> print(sentence.replace(", ", ",\n", 1))
    Of the change of AUC from 0.7500 to 0.2500,
    -0.5000 (100 %) is due to the labels (of 2024-02-29).
    """
    name = METRIC_NAMES[change.metric]
    visible_shares = [share for share in change.shares if abs(share.value) >= VISIBLE]
    if not visible_shares:
        return f"{name} does not change: it is {change.a:.4f} and {change.b:.4f}."
    visible_shares.sort(key=lambda share: -abs(share.value))
    descriptions_of_shares = ", ".join(
        _describe_share(share, descriptions) for share in visible_shares
    )
    return (
        f"Of the change of {name} from {change.a:.4f} to {change.b:.4f}, {descriptions_of_shares}."
    )


def _describe_share(share: CauseShare, descriptions: Mapping[str, str]) -> str:
    amount = f"{share.value:+.4f}"
    if share.percent is not None:
        amount += f" ({share.percent:.0f} %)"
    if share.cause == NOT_EXPLAINED:
        return f"{amount} is {NOT_EXPLAINED}"
    return f"{amount} is due to {descriptions.get(share.cause, share.cause)}"
