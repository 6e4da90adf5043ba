"""Honesty of a training set compared with the drop before it.

It checks late revisions, users who should have left, columns that should grow, the share of
positives, and whether the label still follows the same rule.
"""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from streamflow.core.data.counts import count_of
from streamflow.core.statistics.intervals import (
    Ranking,
    auc_decrease,
    ratio_interval,
    share_interval,
)
from streamflow.core.training.honesty import HonestyFinding, Labels

Floats = NDArray[np.float64]

# All of these limits are our convention.

# Share of the users whose label came true and who may still be present: some come back, and some
# files overlap.
MAX_STAYED = 0.05
# Share of the common keys whose counter may stand still: a user may pause for a month.
MAX_NOT_ADVANCED = 0.05
# Share of the common keys whose counter may fall: a correction now and then.
MAX_FELL = 0.01
# Ratio of two base rates that a season may explain.
USUAL_RATIOS = (0.8, 1.25)
# Fall of AUC that different users may cause: -0.02 ± 0.03 in 120 pairs of simulated months; the
# real February has 0.37.
MAX_AUC_FALL = 0.05
# p-value of Fisher's test: a drop has few late revisions.
MAX_P_VALUE = 1e-4
# How many times as often the rarer class is changed: a correction by contract or by plan changes
# one class about twice as often.
FAR_MORE = 4.0


def check_late_revision(
    feature: str, revision: str, changed: Labels, label: Labels
) -> list[HonestyFinding]:
    """Check whether a revision that came after the labels changed one class far more often.

    It also reports the reverse: the revision left one class unchanged far more often.
    `changed` tells for each row whether the revision changed this feature, (n,).

    >>> label, number = np.arange(400) % 4 == 0, np.arange(400)
    >>> by_outcome, by_chance = label & (number < 200), number % 10 == 0
    >>> [finding] = check_late_revision("fee", "users, revision 2", by_outcome, label)
    >>> finding.severity, finding.numbers["positives_changed"], finding.numbers["negatives_changed"]
    ('severe', 50, 0)
    >>> check_late_revision("fee", "users, revision 2", by_chance, label)
    []
    """
    positives = int(label.sum())
    negatives = int((~label).sum())
    changed_positives = int((changed & label).sum())
    changed_negatives = int((changed & ~label).sum())
    changed_rows = changed_positives + changed_negatives
    if min(positives, negatives) == 0 or changed_rows in {0, positives + negatives}:
        return []
    if not _changed_by_outcome(changed_positives, positives, changed_negatives, negatives):
        return []
    counts = (
        f"{changed_positives:,} of {count_of(positives, 'positive')}"
        f" and {changed_negatives:,} of {count_of(negatives, 'negative')}"
    )
    return [
        HonestyFinding(
            check="late-revision",
            severity="severe",
            subject=feature,
            words=f"{revision}, came after the labels and changed {feature} for {counts}",
            numbers={
                "positives": positives,
                "positives_changed": changed_positives,
                "negatives": negatives,
                "negatives_changed": changed_negatives,
            },
        )
    ]


def _changed_by_outcome(
    changed_positives: int,
    positives: int,
    changed_negatives: int,
    negatives: int,
) -> bool:
    """Decide whether the outcome explains which rows were changed, and chance does not."""
    from scipy.stats import fisher_exact

    positive_rate = changed_positives / positives
    negative_rate = changed_negatives / negatives
    if positives <= negatives:
        rare_rate, common_rate = positive_rate, negative_rate
    else:
        rare_rate, common_rate = negative_rate, positive_rate
    changed_far_more = rare_rate >= FAR_MORE * common_rate
    unchanged_far_more = 1 - rare_rate >= FAR_MORE * (1 - common_rate)
    changed = [changed_positives, changed_negatives]
    unchanged = [positives - changed_positives, negatives - changed_negatives]
    p_value = float(fisher_exact([changed, unchanged]).pvalue)
    return (changed_far_more or unchanged_far_more) and p_value < MAX_P_VALUE


def check_leavers_left(
    count: int,
    leavers: int,
    *,
    earlier_drop: date,
    current_drop: date,
) -> list[HonestyFinding]:
    """Check whether too many users are still present whose label said that they leave.

    Args:
        count: How many of these users are still present.
        leavers: How many users have a true label in the earlier drop.
        earlier_drop: The date of the earlier drop.
        current_drop: The date of the current drop.

    >>> january, february = date(2024, 1, 31), date(2024, 2, 29)
    >>> print(*check_leavers_left(9, 9, earlier_drop=january, current_drop=february))
    warning: 9 of 9 (100.0 %) whose label of 2024-01-31 is true are still in the drop of 2024-02-29
    >>> check_leavers_left(1, 90, earlier_drop=january, current_drop=february)
    []
    """
    if not leavers or share_interval(count, leavers).low <= MAX_STAYED:
        return []
    sentence = (
        f"{count:,} of {leavers:,} ({100 * count / leavers:.1f} %)"
        f" whose label of {earlier_drop} is true are still in the drop of {current_drop}"
    )
    numbers = {"stayed": count, "of": leavers}
    return [
        HonestyFinding(check="churners-stay", severity="warning", words=sentence, numbers=numbers)
    ]


def check_counter(
    name: str, previous: Floats, current: Floats, *, since: date
) -> list[HonestyFinding]:
    """Check whether a column that should grow from drop to drop did grow.

    Args:
        name: The name of the column.
        previous: The values in the earlier drop for the keys of both drops, (n,). NaN is missing.
        current: The values of the same keys in the current drop, (n,). NaN is missing.
        since: The date of the earlier drop.

    >>> months = np.arange(100.0)
    >>> print(*check_counter("months_active", months, months, since=date(2024, 1, 31)))
    warning: months_active did not advance since 2024-01-31 for 100 of 100 keys, and fell for 0
    >>> check_counter("months_active", months, months + 1, since=date(2024, 1, 31))
    []
    """
    all_steps = current - previous
    steps = all_steps[~np.isnan(all_steps)]
    keys = len(steps)
    not_advanced = int((steps <= 0).sum())
    fell = int((steps < 0).sum())
    if not keys:
        return []
    few_stand_still = share_interval(not_advanced, keys).low <= MAX_NOT_ADVANCED
    few_fell = share_interval(fell, keys).low <= MAX_FELL
    if few_stand_still and few_fell:
        return []
    sentence = (
        f"{name} did not advance since {since} for {not_advanced:,} of {count_of(keys, 'key')},"
        f" and fell for {fell:,}"
    )
    numbers = {"keys": keys, "not_advanced": not_advanced, "fell": fell}
    return [
        HonestyFinding(
            check="counter",
            severity="warning",
            subject=name,
            words=sentence,
            numbers=numbers,
        )
    ]


def check_base_rate(previous: Labels, current: Labels, *, since: date) -> list[HonestyFinding]:
    """Check whether the share of positives is far from that of the earlier drop.

    `previous` (n,) has the labels of the drop of `since`, `current` (m,) those of this drop.

    >>> few, many = np.arange(400) % 4 == 0, np.arange(400) % 4 != 0
    >>> print(*check_base_rate(few, many, since=date(2024, 1, 31)))
    warning: 75.0 % are positive, 25.0 % were on 2024-01-31: 2.99 times as many (2.22..4.03)
    >>> check_base_rate(few, few, since=date(2024, 1, 31))
    []
    """
    if not (len(previous) and len(current)):
        return []
    positives = int(current.sum())
    positives_before = int(previous.sum())
    interval = ratio_interval(positives, len(current), positives_before, len(previous))
    usual_low, usual_high = USUAL_RATIOS
    if interval.low <= usual_high and interval.high >= usual_low:
        return []
    sentence = (
        f"{100 * current.mean():.1f} % are positive, {100 * previous.mean():.1f} % were on {since}:"
        f" {interval.value:.2f} times as many ({interval.low:.2f}..{interval.high:.2f})"
    )
    numbers = {
        "now": round(float(current.mean()), 4),
        "before": round(float(previous.mean()), 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
    }
    return [HonestyFinding(check="base-rate", severity="warning", words=sentence, numbers=numbers)]


def check_label_rule(previous: Ranking, current: Ranking, *, since: date) -> list[HonestyFinding]:
    """Check whether the label still follows the rule of the earlier drop.

    It does not when a model of the earlier drop ranks its own hold-out well (`previous`) and the
    current drop badly (`current`). `since` is the date of the earlier drop.

    >>> good = Ranking(auc=0.83, variance=0.0002, positives=90, negatives=300)
    >>> bad = Ranking(auc=0.55, variance=0.0002, positives=90, negatives=300)
    >>> [finding] = check_label_rule(good, bad, since=date(2024, 1, 31))
    >>> finding.severity, finding.numbers["low"], finding.numbers["high"]
    ('warning', 0.2142, 0.3458)
    >>> check_label_rule(good, good, since=date(2024, 1, 31))
    []
    """
    interval = auc_decrease(previous, current)
    if interval.low <= MAX_AUC_FALL:
        return []
    sentence = (
        f"the label follows a different rule: AUC of a model of {since} is"
        f" {previous.auc:.4f} there, {current.auc:.4f} here,"
        f" a fall of {interval.value:.2f} ({interval.low:.2f}..{interval.high:.2f})"
    )
    numbers = {
        "auc_before": round(previous.auc, 4),
        "auc_now": round(current.auc, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
    }
    return [HonestyFinding(check="label-rule", severity="warning", words=sentence, numbers=numbers)]
