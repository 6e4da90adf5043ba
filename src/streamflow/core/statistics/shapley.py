"""Of a change with several causes, the share of each: Shapley's value, exact, over every combination of the causes.

A share is the effect of swapping one cause alone, averaged over all orders in which the causes could have been swapped. Shares
add up to the whole change; a cause without effect gets nothing; what two causes do only together is halved between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import compress, product
from math import comb

NEGLIGIBLE = (
    0.001  # a change below it has no percents: nobody reads a score further; our convention
)
VISIBLE = 0.00005  # what four digits show
NOT_EXPLAINED = "not explained"
METRICS = {
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "log_loss": "log loss",
    "f1": "F1",
    "accuracy": "accuracy",
}


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one cause is responsible for. percent: of the whole change; None where that is negligible."""

    cause: str
    value: float
    percent: float | None


@dataclass(frozen=True, kw_only=True)
class Change:
    """One metric of two versions, and who is responsible for its change."""

    metric: str
    a: float
    b: float
    change: float
    shares: tuple[Share, ...]


def combinations(causes: Sequence[str]) -> list[frozenset[str]]:
    """Every set of causes that can be swapped, none of them first; the last cause changes fastest.

    >>> [sorted(some) for some in combinations(["x", "y"])]
    [[], ['y'], ['x'], ['x', 'y']]
    """
    return [
        frozenset(compress(causes, chosen)) for chosen in product((False, True), repeat=len(causes))
    ]


def shapley(value: Mapping[frozenset[str], float]) -> dict[str, Fraction]:
    """The share of each cause in value(all) - value(none); `value` holds every combination of them. Rational, hence exact.

    >>> value = {frozenset(): 0.75, frozenset("x"): 0.5, frozenset("y"): 0.75, frozenset("xy"): 0.25}
    >>> {cause: float(share) for cause, share in shapley(value).items()}
    {'x': -0.375, 'y': -0.125}
    """
    causes = max(value, key=len)
    weight = [
        Fraction(1, len(causes) * comb(len(causes) - 1, swapped)) for swapped in range(len(causes))
    ]

    def effect(cause: str, before: frozenset[str]) -> Fraction:
        return weight[len(before)] * (Fraction(value[before | {cause}]) - Fraction(value[before]))

    return {
        cause: sum((effect(cause, some) for some in value if cause not in some), Fraction(0))
        for cause in sorted(causes)
    }


def explained(
    metric: str, a: float, b: float, value: Mapping[frozenset[str], float], *, elsewhere: str
) -> Change:
    """The change of a metric from `a` to `b`, by cause; what the combinations do not make again is put down to `elsewhere`.

    >>> change = explained("auc", 0.75, 0.25, {frozenset(): 0.75, frozenset({"labels"}): 0.5}, elsewhere="code")
    >>> [(share.cause, share.value, share.percent) for share in change.shares]
    [('labels', -0.25, 50.0), ('code', -0.25, 50.0)]
    """
    whole, shares = Fraction(b) - Fraction(a), shapley(value)
    if rest := whole - sum(shares.values()):
        shares[elsewhere] = rest
    percents = abs(whole) >= NEGLIGIBLE
    return Change(
        metric=metric,
        a=a,
        b=b,
        change=float(whole),
        shares=tuple(
            Share(
                cause=cause,
                value=float(share),
                percent=float(100 * share / whole) if percents else None,
            )
            for cause, share in shares.items()
        ),
    )


def in_words(change: Change, said: Mapping[str, str]) -> str:
    """One sentence, the largest share first; `said` has other words for a cause.

    >>> change = explained("auc", 0.75, 0.25, {frozenset(): 0.75, frozenset({"labels"}): 0.25}, elsewhere="code")
    >>> in_words(change, {"labels": "the labels (drop of the labels: 2024-02-29 instead of 2024-01-31)"})
    'Of the change of AUC from 0.7500 to 0.2500, -0.5000 (100 %) is due to the labels (drop of the labels: 2024-02-29 instead of 2024-01-31).'
    """  # a doctest's line cannot be broken
    name = METRICS[change.metric]
    seen = sorted(
        (s for s in change.shares if abs(s.value) >= VISIBLE), key=lambda s: -abs(s.value)
    )
    if not seen:
        return f"{name} does not change: it is {change.a:.4f} and {change.b:.4f}."
    parts = ", ".join(f"{_amount(s)} is {_due(s.cause, said)}" for s in seen)
    return f"Of the change of {name} from {change.a:.4f} to {change.b:.4f}, {parts}."


def _amount(share: Share) -> str:
    return (
        f"{share.value:+.4f}"
        if share.percent is None
        else f"{share.value:+.4f} ({share.percent:.0f} %)"
    )


def _due(cause: str, said: Mapping[str, str]) -> str:
    return cause if cause == NOT_EXPLAINED else f"due to {said.get(cause, cause)}"
