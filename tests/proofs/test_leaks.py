"""Proof: at most 6 of 200 clean sets give a warning of a leak, and each planted leak is named.

The clean sets that warn are those in which one honest column alone makes the outcome.
"""

from __future__ import annotations

import pytest
from support.leaks import LEAKS, clean, plant, warnings

CLEAN, ALLOWED = 200, 6
PLANTED, FOUND = 20, 19


def test_clean_sets_are_silent() -> None:
    loud = {}
    for seed in range(CLEAN):
        if found := warnings(*clean(seed)):
            loud[seed] = [str(finding) for finding in found]
    print(f"\n{len(loud)} of {CLEAN} clean sets warned; allowed are {ALLOWED}", loud)
    assert len(loud) <= ALLOWED


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_named(leak: str) -> None:
    _, checks, subject = LEAKS[leak]
    named = 0
    for seed in range(1_000, 1_000 + PLANTED):
        found = warnings(*plant(leak, seed))
        named += checks <= {finding.check for finding in found if finding.subject == subject}
    print(f"\n{leak:24} named in {named} of {PLANTED}")
    assert named >= FOUND
