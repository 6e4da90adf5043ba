"""Proof: monitor gives no alarm in months without a change, unlike the trigger of the reference.

It finds the changes that happen.
"""

from __future__ import annotations

from support.months import EXPECTED, PLANTED, found, population, reference_system_fires

USERS, MONTHS, PLANTED_IN = 2000, 200, 40
MOST = 0.05  # of the quiet months may fire


def test_quiet_months_are_silent_and_what_happens_is_found() -> None:
    quiet, theirs, by_kind = 0, 0, {"feature drift": 0, "label drift": 0, "concept drift": 0}
    caught = dict.fromkeys(PLANTED, 0)
    for month in range(MONTHS):
        reference, current = (population(USERS, seed) for seed in (2 * month + 1, 2 * month + 2))
        seen = found(reference, current)
        quiet += seen.fires
        theirs += reference_system_fires(reference, current)
        by_kind["feature drift"] += bool(seen.drifted)
        by_kind["label drift"] += seen.labels.fires
        by_kind["concept drift"] += bool(seen.concept and seen.concept.fires)
        for planted, change in PLANTED.items() if month < PLANTED_IN else ():
            then = found(reference, change(current))
            fired = {
                "labels": then.labels.fires,
                "concept": bool(then.concept and then.concept.fires),
            }
            caught[planted] += fired.get(planted, set(EXPECTED[planted]) <= set(then.drifted))
    print(f"\n{MONTHS} pairs of months of {USERS:,} users in which nothing happened")
    print(f"  fired  ours {quiet / MONTHS:6.1%}   the reference's trigger {theirs / MONTHS:6.1%}")
    print("  ours by kind: " + ", ".join(f"{kind} {count}" for kind, count in by_kind.items()))
    print(f"planted in {PLANTED_IN} of them")
    for planted, count in caught.items():
        print(f"  {planted:24} found in {count} of {PLANTED_IN}")
    assert quiet <= MOST * MONTHS
    assert theirs == MONTHS
    assert caught == dict.fromkeys(PLANTED, PLANTED_IN)
