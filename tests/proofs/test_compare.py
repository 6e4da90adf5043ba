"""Proof: compare gives 90 % of a change to the causes that were planted.

There are single and double causes, each among decoys on every different level.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from conftest import Cluster
from support.planted import CAUSES, Experiment, percents

from streamflow.steps.data.simulate import simulate

USERS, TREES = 10_000, 150
PLANTED = [causes for number in (1, 2) for causes in combinations(CAUSES, number)]


@pytest.mark.parametrize("seed", [21, 22])
def test_nine_tenths_go_to_what_was_planted(
    cluster: Cluster, installation: str, tmp_path: Path, seed: int
) -> None:
    simulate(tmp_path / "drops", users=USERS, months=1, seed=seed, notify=lambda _: None)
    experiment = Experiment(
        cluster=cluster,
        installation=installation,
        home=tmp_path / "home",
        base=tmp_path / "drops/month_000",
        trees=TREES,
        silent=False,
    )
    experiment.begin()
    print(f"\nseed {seed}: {USERS:,} users, {TREES} trees; percent of the change of AUC")
    print(f"{'planted':34} {'change':>8}  " + "  ".join(f"{cause:>14}" for cause in CAUSES))
    wrong = []
    for number, causes in enumerate(PLANTED):
        receipt = experiment.compared(causes, tmp_path / str(number))
        found, change = percents(receipt), receipt.metrics[0].change
        print(
            f"{' and '.join(causes):34} {change:+8.4f}  "
            + "  ".join(f"{found[cause]:14.1f}" for cause in CAUSES)
        )
        right = sum(found[cause] for cause in causes)
        others = [found[cause] for cause in CAUSES if cause not in causes]
        if set(found) != set(CAUSES) or not 90 <= right <= 110 or max(map(abs, others)) > 10:
            wrong.append((causes, found))
    assert wrong == []
