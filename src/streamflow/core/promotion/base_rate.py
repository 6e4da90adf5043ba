"""Whether a version is worth anything: better than predicting the base rate for every user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamflow.core.data.counts import choose_form, count_of
from streamflow.core.promotion.gate import MIN_PER_CLASS, GateCondition, GatePolicy
from streamflow.core.statistics.metrics import auc, auc_interval

if TYPE_CHECKING:
    from streamflow.core.statistics.metrics import Floats, Labels

NAME = "base rate"


def judge_base_rate(label: Labels, probability: Floats, policy: GatePolicy) -> GateCondition:
    """Decide whether a version tells more than the base rate, on rows that it has not seen.

    It must rank better than chance: the whole 95 % interval of its AUC is above 0.5. And its Brier
    score must be lower than that of the share of positives of these rows, said of every row.

    Args:
        label: What happened, (n,).
        probability: What the version predicts, (n,).
        policy: Has the number of draws and the seed of the interval.

    >>> policy = GatePolicy(rule="paired-bootstrap", metric="auc", margin=0, confidence=0.95,
    ...                 draws=50, seed=1, min_rows=50)
    >>> label = np.array([0, 1] * 50)
    >>> judge_base_rate(label, 0.3 + 0.4 * label, policy).passed
    True
    >>> print(judge_base_rate(label, np.full(100, 0.5), policy).evidence)
    no better than predicting 50.0 % for every user, on 100 unseen rows: AUC 0.5000 (95 % interval \
0.5000..0.5000) is not clearly above 0.5, Brier score 0.2500 is not below 0.2500
    """
    rows = len(label)
    positives = int(np.asarray(label).sum())
    if min(positives, rows - positives) < MIN_PER_CLASS:
        evidence = _describe_few_rows(rows, positives)
        return GateCondition(name=NAME, passed=False, evidence=evidence)
    base_rate = positives / rows
    ranks, ranking = _judge_ranking(label, probability, policy)
    is_closer, distance = _judge_distance(label, probability, base_rate)
    passed = ranks and is_closer
    verdict = "better" if passed else "no better"
    evidence = (
        f"{verdict} than predicting {base_rate * 100:.1f} % for every user,"
        f" on {count_of(rows, 'unseen row')}: {ranking}, {distance}"
    )
    return GateCondition(name=NAME, passed=passed, evidence=evidence)


def _describe_few_rows(rows: int, positives: int) -> str:
    """Say that the rows are too few for a verdict."""
    verb = choose_form(positives, "is", "are")
    return (
        f"{count_of(rows, 'unseen row')}, of which {positives:,}"
        f" {verb} positive: too few to show that the version is"
        f" better than the base rate, needed are {MIN_PER_CLASS} of each class"
    )


def _judge_ranking(
    label: Labels,
    probability: Floats,
    policy: GatePolicy,
) -> tuple[bool, str]:
    """Return whether the version ranks clearly better than chance, and the evidence for it."""
    area = auc(label, probability)
    low, high = auc_interval(label, probability, seed=policy.seed, draws=policy.draws)
    ranks = low > 0.5
    verdict = "above" if ranks else "not clearly above"
    evidence = f"AUC {area:.4f} (95 % interval {low:.4f}..{high:.4f}) is {verdict} 0.5"
    return ranks, evidence


def _judge_distance(label: Labels, probability: Floats, base_rate: float) -> tuple[bool, str]:
    """Return whether the Brier score is lower than that of the base rate, and the evidence."""
    squared_errors = (probability - label) ** 2
    brier = float(np.mean(squared_errors))
    base_brier = base_rate * (1 - base_rate)
    is_closer = brier < base_brier
    verdict = "below" if is_closer else "not below"
    evidence = f"Brier score {brier:.4f} is {verdict} {base_brier:.4f}"
    return is_closer, evidence
