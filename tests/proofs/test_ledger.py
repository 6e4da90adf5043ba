"""Proof: registry and ledger agree after kills at any point.

The ledger knows which version served each logged prediction.
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

from conftest import Cluster
from support.console_races import PARTICIPANTS, run_race, two_persons
from support.lifecycle import random_moves
from support.promotions import killed, three_versions
from support.states import THREE_VERSIONS, in_state

SEED, KILLS, MOVES = 61, 20, 50


def test_after_each_kill_registry_and_ledger_agree(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    wrong, made = [], 0
    with three_versions(cluster, simulated_drops / "month_000", tmp_path / "home") as platform:
        for number in range(KILLS):
            entries, found = killed(platform, cluster, seed=SEED + number)
            made += entries
            wrong += found
    print(
        f"\nseed {SEED}: {KILLS} kills among {made} promotions;"
        f" disagreements after the next command: {len(wrong)}"
    )
    assert wrong == []


def test_the_prediction_log_and_the_ledger_agree(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    with three_versions(cluster, simulated_drops / "month_000", tmp_path / "home") as platform:
        wrong = random_moves(platform, key="7590-VHVEG", moves=MOVES, seed=SEED, versions=3)
    print(
        f"\nseed {SEED}:"
        f" {MOVES} promotions, rollbacks and changes in MLflow at random;"
        f" answers by another version: {len(wrong)}"
    )
    assert wrong == []


def test_whoever_comes_first_consoles_ledger_and_registry_agree(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    """Every change of one participant beside every change of a different one, in both orders."""
    wrong: list[str] = []
    races = [
        (first, second)
        for one, other in permutations(PARTICIPANTS, 2)
        for first in PARTICIPANTS[one]
        for second in PARTICIPANTS[other]
    ]
    home = tmp_path / "home"
    with (
        in_state(cluster, THREE_VERSIONS, simulated_drops, home, gate_draws=50) as platform,
        two_persons(platform) as (ada, bob),
    ):
        for first, second in races:
            faults = run_race(platform, ada, bob, first, second)
            wrong += [f"{first}, {second}: {fault}" for fault in faults]
    print(f"\n{len(races)} races with forms of two consoles; disagreements: {len(wrong)}")
    assert wrong == []
