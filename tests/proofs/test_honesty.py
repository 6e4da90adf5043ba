"""Proof: at most 2 of 200 clean sets give an alarm, and each planted fault is found by its name.

No second fault is named.
"""

from __future__ import annotations

import pytest
from support.honesty import FAULTS, alarms, findings, pair

CLEAN, ALLOWED = 200, 2
PLANTED, FOUND = 20, 19


def test_clean_months_are_silent() -> None:
    found = {seed: alarms(findings(pair(seed))) for seed in range(CLEAN)}
    loud = {seed: [str(f) for f in said] for seed, said in found.items() if said}
    print(
        f"\n{len(loud)} of {CLEAN} clean sets of about 1,500 users alarmed; allowed are {ALLOWED}",
        *loud.values(),
        sep="\n  ",
    )
    assert len(loud) <= ALLOWED


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    check, plant = FAULTS[fault]
    named = [
        {f.check for f in alarms(findings(plant(pair(1000 + seed))))} for seed in range(PLANTED)
    ]
    found, others = (
        sum(check in names for names in named),
        sum(bool(names - {check}) for names in named),
    )
    print(f"\n{fault:34} {check:15} found in {found} of {PLANTED}, another alarm in {others}")
    assert found >= FOUND
    assert others <= 1
