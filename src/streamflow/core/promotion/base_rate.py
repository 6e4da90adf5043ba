"""Whether a version is worth anything: better than saying the base rate to everybody."""

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
    no better than saying 50.0 % of everybody, on 100 unseen rows: AUC 0.5000 (95 % interval \
0.5000..0.5000) is not clearly above 0.5, Brier score 0.2500 is not below 0.2500
    """
    rows = len(label)
    positives = int(np.asarray(label).sum())
    if min(positives, rows - positives) < MIN_PER_CLASS:
        evidence = (
            f"{count_of(rows, 'unseen row')}, of which {positives:,}"
            f" {choose_form(positives, 'is', 'are')} positive: too few to show that the version is"
            f" better than the base rate, needed are {MIN_PER_CLASS} of each class"
        )
        return GateCondition(name=NAME, passed=False, evidence=evidence)
    low, high = auc_interval(label, probability, seed=policy.seed, draws=policy.draws)
    interval = f"AUC {auc(label, probability):.4f} (95 % interval {low:.4f}..{high:.4f})"
    brier = float(np.mean((probability - label) ** 2))
    base_rate = positives / rows
    base_brier = base_rate * (1 - base_rate)
    ranks = low > 0.5
    is_closer = brier < base_brier
    verdict = "better" if ranks and is_closer else "no better"
    ranking = f"{interval} is {'above' if ranks else 'not clearly above'} 0.5"
    distance = (
        f"Brier score {brier:.4f} is {'below' if is_closer else 'not below'} {base_brier:.4f}"
    )
    return GateCondition(
        name=NAME,
        passed=ranks and is_closer,
        evidence=f"{verdict} than saying {base_rate * 100:.1f} % of everybody,"
        f" on {count_of(rows, 'unseen row')}: {ranking}, {distance}",
    )
