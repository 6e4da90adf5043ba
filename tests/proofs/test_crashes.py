"""Proof: a kill at any point of any step leaves nothing half written.

The same command again ends in the same state.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from conftest import Cluster
from support.kills import Bench, content
from support.processes import run, start

SEED, POINTS, RUNS = 7, 20, 3
JANUARY, FEBRUARY = "2024-01-31", "2024-02-29"


def line(number: int, at: float, half_written: list[str], equal: bool) -> str:
    return (
        f"  {number + 1:>2}  killed after {at:6.3f} s  half written:"
        f" {len(half_written)}  equal: {equal}"
    )


def test_twenty_random_kill_points_of_the_steps(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    bench = Bench(
        cluster,
        tmp_path,
        [(simulated_drops / "month_000", JANUARY), (simulated_drops / "month_001", FEBRUARY)],
    )
    name = bench.installation()
    seconds = bench.work(name)
    undisturbed = content(bench.address(name))
    random = Random(SEED)
    print(
        f"\n{POINTS} kills over {seconds:.2f} s of ingest, snapshot,"
        f" materialize (two months) and forget, seed {SEED}"
    )
    for number in range(POINTS):
        at = random.random() * seconds
        found, half_written = bench.killed_and_repeated(at)
        print(
            f"  {number + 1:>2}  killed after {at:.3f} s  half written:"
            f" {len(half_written)}  equal: {found == undisturbed}",
            flush=True,
        )
        assert half_written == []
        assert found == undisturbed


def test_three_random_kill_points_of_run(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    bench = Bench(cluster, tmp_path, [])
    drop, name = simulated_drops / "month_000", bench.installation()
    done = run(tmp_path / name, "run", str(drop), "--as-of", JANUARY, extra=bench.variables(name))
    assert done.returncode == 0, done.stderr
    undisturbed = content(bench.address(name))
    random = Random(SEED)
    print(f"\n{RUNS} kills of `run` with its Prefect flow, seed {SEED}")
    for number in range(RUNS):
        at = 6 + 8 * random.random()  # the server of Prefect needs the first seconds
        found, half_written = bench.run_killed_and_repeated(drop, JANUARY, at)
        print(
            f"  {number + 1:>2}  killed after {at:.3f} s  half written:"
            f" {len(half_written)}  equal: {found == undisturbed}",
            flush=True,
        )
        assert half_written == []
        assert found == undisturbed


def test_runs_at_once_end_as_one_after_the_other(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    bench = Bench(cluster, tmp_path, [])
    january, february = (
        (str(simulated_drops / f"month_{n:03d}"), "--as-of", day)
        for n, day in enumerate((JANUARY, FEBRUARY))
    )
    first, second = bench.installation(), bench.installation()
    for arguments in (january, february):
        assert (
            run(tmp_path / first, "run", *arguments, extra=bench.variables(first)).returncode == 0
        )
    at_once = [
        start(tmp_path / second, "run", *a, extra=bench.variables(second))
        for a in (january, february, january)
    ]
    assert [process.wait() for process in at_once] == [0, 0, 0]
    assert content(bench.address(second)) == content(bench.address(first))
    print("\n3 `run`s at once, two of one as_of and one of another: equal to one after the other")
