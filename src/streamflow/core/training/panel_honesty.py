"""What a training set and the drop before it say of each other: late revisions, who stayed, what should grow, how labels arose."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from streamflow.core.statistics.intervals import Ranking, fall, ratio, share
from streamflow.core.training.honesty import Finding, Labels

Floats = NDArray[np.float64]

# All of these are our convention.
STAY = 0.05  # share of those whose label came true that may still be there: some come back, some files overlap
STILL = 0.05  # share of common keys whose counter may stand still: a month of pause
BACKWARDS = 0.01  # share whose counter may fall: a correction now and then
RATES = (0.8, 1.25)  # ratio of two base rates that a season may explain
FALL = 0.05  # of AUC, that other users may cost: -0.02 ± 0.03 in 120 pairs of simulated months, 0.37 in the real February
CHANCE = 1e-4  # of Fisher's test: a drop has few late revisions
FAR_MORE = 4.0  # times as often in the rarer class: a correction by contract or plan hits one class about twice as often


def late_revision(feature: str, revision: str, changed: Labels, label: Labels) -> list[Finding]:
    """Whether a revision that came after the labels changed one class far more than the other, or left it far more unchanged.

    changed   (n,)  the rows of which the revision changed this feature

    >>> label = np.arange(400) % 4 == 0
    >>> by_outcome, by_chance = label & (np.arange(400) < 200), np.arange(400) % 10 == 0
    >>> print(*late_revision("fee", "users of 2024-01-31, revision 2", by_outcome, label))
    severe: users of 2024-01-31, revision 2, came after the labels and changed fee for 50 of 100 positives and 0 of 300 negatives
    >>> late_revision("fee", "users of 2024-01-31, revision 2", by_chance, label)
    []
    """
    from scipy.stats import fisher_exact

    sides = (label, ~label)
    of, hit = [int(side.sum()) for side in sides], [int((changed & side).sum()) for side in sides]
    if min(of) == 0 or sum(hit) in {0, sum(of)}:
        return []
    rare, common = sorted((0, 1), key=lambda side: of[side])
    hits = [h / n for h, n in zip(hit, of, strict=True)]
    far_more = hits[rare] >= FAR_MORE * hits[common] or 1 - hits[rare] >= FAR_MORE * (
        1 - hits[common]
    )
    chance = float(fisher_exact([hit, [n - h for h, n in zip(hit, of, strict=True)]]).pvalue)
    if not (far_more and chance < CHANCE):
        return []
    counts = f"{hit[0]:,} of {of[0]:,} positives and {hit[1]:,} of {of[1]:,} negatives"
    return [
        Finding(
            check="late-revision",
            severity="severe",
            subject=feature,
            words=f"{revision}, came after the labels and changed {feature} for {counts}",
            numbers={
                "positives": of[0],
                "positives_changed": hit[0],
                "negatives": of[1],
                "negatives_changed": hit[1],
            },
        )
    ]


def who_stayed(count: int, of: int, *, before: date, now: date) -> list[Finding]:
    """Of those whose label of the drop before is true: how many are still there.

    >>> print(*who_stayed(90, 90, before=date(2024, 1, 31), now=date(2024, 2, 29)))
    warning: 90 of 90 (100.0 %) whose label of 2024-01-31 is true are still in the drop of 2024-02-29
    >>> who_stayed(1, 90, before=date(2024, 1, 31), now=date(2024, 2, 29))
    []
    """
    if not of or share(count, of).low <= STAY:
        return []
    words = f"{count:,} of {of:,} ({100 * count / of:.1f} %) whose label of {before} is true are still in the drop of {now}"
    return [
        Finding(
            check="churners-stay",
            severity="warning",
            words=words,
            numbers={"stayed": count, "of": of},
        )
    ]


def counter(name: str, before: Floats, now: Floats, *, since: date) -> list[Finding]:
    """Whether a column that grows from drop to drop did, for the keys of both drops; NaN is missing, (n,) each.

    >>> months = np.arange(100.0)
    >>> print(*counter("months_active", months, months, since=date(2024, 1, 31)))
    warning: months_active did not advance since 2024-01-31 for 100 of 100 keys, and fell for 0
    >>> counter("months_active", months, months + 1, since=date(2024, 1, 31))
    []
    """
    step = (now - before)[~np.isnan(now - before)]
    of, still, fell = len(step), int((step <= 0).sum()), int((step < 0).sum())
    if not of or (share(still, of).low <= STILL and share(fell, of).low <= BACKWARDS):
        return []
    words = (
        f"{name} did not advance since {since} for {still:,} of {of:,} keys, and fell for {fell:,}"
    )
    numbers = {"keys": of, "not_advanced": still, "fell": fell}
    return [
        Finding(check="counter", severity="warning", subject=name, words=words, numbers=numbers)
    ]


def base_rate(before: Labels, now: Labels, *, since: date) -> list[Finding]:
    """Whether the share of positives jumped.

    >>> few, many = np.arange(400) % 4 == 0, np.arange(400) % 4 != 0
    >>> print(*base_rate(few, many, since=date(2024, 1, 31)))
    warning: 75.0 % are positive, 25.0 % were on 2024-01-31: 2.99 times as many (2.22..4.03)
    >>> base_rate(few, few, since=date(2024, 1, 31))
    []
    """
    if not (len(before) and len(now)):
        return []
    found = ratio(int(now.sum()), len(now), int(before.sum()), len(before))
    if found.low <= RATES[1] and found.high >= RATES[0]:
        return []
    words = (
        f"{100 * now.mean():.1f} % are positive, {100 * before.mean():.1f} % were on {since}:"
        f" {found.value:.2f} times as many ({found.low:.2f}..{found.high:.2f})"
    )
    numbers = {
        "now": float(now.mean()),
        "before": float(before.mean()),
        "low": found.low,
        "high": found.high,
    }
    numbers = {name: round(value, 4) for name, value in numbers.items()}
    return [Finding(check="base-rate", severity="warning", words=words, numbers=numbers)]


def label_rule(before: Ranking, now: Ranking, *, since: date) -> list[Finding]:
    """Whether a model of the drop before ranks its own hold-out, but no more this drop's: the label follows another rule.

    >>> good, bad = (Ranking(auc=a, variance=0.0002, positives=90, negatives=300) for a in (0.83, 0.55))
    >>> print(*label_rule(good, bad, since=date(2024, 1, 31)))
    warning: the label follows another rule: AUC of a model of 2024-01-31 is 0.8300 there, 0.5500 here, a fall of 0.28 (0.21..0.35)
    >>> label_rule(good, good, since=date(2024, 1, 31))
    []
    """
    found = fall(before, now)
    if found.low <= FALL:
        return []
    words = (
        f"the label follows another rule: AUC of a model of {since} is {before.auc:.4f} there, {now.auc:.4f} here,"
        f" a fall of {found.value:.2f} ({found.low:.2f}..{found.high:.2f})"
    )
    numbers = {"auc_before": before.auc, "auc_now": now.auc, "low": found.low, "high": found.high}
    numbers = {name: round(value, 4) for name, value in numbers.items()}
    return [Finding(check="label-rule", severity="warning", words=words, numbers=numbers)]
