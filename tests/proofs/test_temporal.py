"""Proof: one future row among a million is found exactly, and a clean set gives no finding."""

from __future__ import annotations

import resource
import time

from support.temporal import KEY, one_row_of_the_future

ROWS = 1_000_000


def test_one_row_of_the_future_among_a_million() -> None:
    begin = time.perf_counter()
    clean, leaking, march = one_row_of_the_future(ROWS)
    seconds, gigabytes = (
        time.perf_counter() - begin,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    )
    assert (clean.count, clean.violations) == (0, [])
    assert leaking.count == len(leaking.violations) == 2
    assert {
        (v.key, v.what, v.found, v.from_as_of, v.from_known_at) for v in leaking.violations
    } == {
        (march[KEY][0], f"plan_fv:{name}", march[name][0], march["as_of"][0], march["known_at"][0])
        for name in ("tenure", "fee")
    }
    assert leaking.certificate_part == clean.certificate_part
    print(
        f"\n{ROWS:,} rows of three drops proved twice in {seconds:.0f} s,"
        f" {gigabytes:.1f} GB: clean, then one row of the future"
    )
    print(*map(str, leaking.violations), sep="\n")
