"""Proof: a kill at every kind of point of a step on the lake leaves nothing half.

The points are before and after each commit of the catalog and of PostgreSQL, and where a file is
begun, filled and deleted. After each kill `doctor` names what nothing needs, and the same step,
run again, gives the content of an undisturbed one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
from conftest import Cluster
from support.chain import JANUARY
from support.lake_kills import LakeBench, SavedState, check_after_kill, check_at_end, choose_points
from support.spark_servers import sail_server
from support.states import TWO_MONTHS, copy_state
from support.step_points import STEPS

from streamflow.steps.training.training_set import training_set
from streamflow.steps.upkeep.restore import check_backup

SEED = 16
MORE_POINTS = 2  # beside one of each name
# step -> the steps before it; those after "|" are done with the lake
BEFORE = {
    "January": "|",
    "February": "January correction | to-lake",
    "correction": "| January",
    "to-lake": "January correction |",
    "forget": "January correction February | to-lake",
    "prune": "January correction | to-lake",
}
# While it writes the second table: the first one is committed in the lake.
HALF = "before the catalog's commit:4"

VERIFIED = "after the mark of a verified restore"


@pytest.fixture(scope="module")
def bench(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LakeBench]:
    made = LakeBench(cluster, tmp_path_factory.mktemp("lake"), simulated_drops)
    yield made
    made.close()


def prepare(bench: LakeBench, cluster: Cluster, steps: str) -> SavedState:
    without_lake, with_lake = steps.split("|")
    state = bench.save_first(cluster.template)
    if without_lake.split():
        state = bench.save(state, *without_lake.split(), with_lake=False)
    return bench.save(state, *with_lake.split()) if with_lake.split() else state


def prove(bench: LakeBench, state: SavedState, step: str) -> None:
    """Kill a step at points of each name, and hold what follows against an undisturbed one."""
    with bench.begun(state) as name:
        points = bench.forks(name).list_points(step)
        with bench.opened(name) as platform:
            check_at_end(platform, bench.lake)
        expected = bench.content(name)
    chosen = choose_points(points, MORE_POINTS, Random(SEED))
    print(f"\n{step}: {len(points)} points, killed at {len(chosen)} of them, seed {SEED}")
    for point in chosen:
        with bench.begun(state) as name:
            killed_at = bench.forks(name).kill_at(step, point)
            bench.wait_for_sessions(name)
            with bench.opened(name) as platform:
                unneeded = check_after_kill(platform, bench.lake)
                STEPS[step](platform, bench.folder)
            with bench.opened(name) as platform:
                check_at_end(platform, bench.lake)
            is_equal = bench.content(name) == expected
            print(
                f"  {point:>4}  {killed_at:<34} files of no revision: {unneeded:>2}"
                f"  equal: {is_equal}",
                flush=True,
            )
            assert is_equal


@pytest.mark.parametrize("step", BEFORE)
def test_a_killed_step_leaves_nothing_half(bench: LakeBench, cluster: Cluster, step: str) -> None:
    prove(bench, prepare(bench, cluster, BEFORE[step]), step)


def test_a_killed_cleaning_is_ended_by_the_next_one(bench: LakeBench, cluster: Cluster) -> None:
    state = prepare(bench, cluster, BEFORE["February"])
    prove(bench, bench.save_killed(state, "February", HALF), "clean")


@contextmanager
def empty(bench: LakeBench, cluster: Cluster) -> Iterator[str]:
    """An installation without anything, whose lake is empty."""
    name = f"sf_kill_{uuid4().hex[:12]}"
    cluster.make_empty(name)
    bench.empty_lake()
    yield name
    cluster.drop(name)


def test_a_killed_backup_or_restore_is_ended_by_the_next_one(
    bench: LakeBench, cluster: Cluster
) -> None:
    state = prepare(bench, cluster, "January correction February | to-lake")
    file = bench.folder / "state.backup"
    with bench.begun(state) as name:
        before = bench.content(name)
        points = bench.forks(name).list_points("backup")
        chosen = choose_points(points, MORE_POINTS, Random(SEED))
        print(f"\nbackup: {len(points)} points, killed at {len(chosen)} of them, seed {SEED}")
        for point in chosen:
            file.unlink(missing_ok=True)
            killed_at = bench.forks(name).kill_at("backup", point)
            bench.wait_for_sessions(name)
            is_there = file.exists()
            assert is_there == ("after a file gets its name" in points[: int(point)])
            with bench.opened(name) as platform:
                check_after_kill(platform, bench.lake)
                STEPS["backup"](platform, bench.folder)
            assert check_backup(file).revisions == 18
            assert bench.content(name) == before, "the loaded copies went, and nothing changed"
            print(f"  {point:>4}  {killed_at:<34} file: {is_there}", flush=True)
    with empty(bench, cluster) as name:
        points = bench.forks(name).list_points("restore")
        expected = bench.content(name)
    chosen = choose_points(points, MORE_POINTS, Random(SEED))
    print(f"restore: {len(points)} points, killed at {len(chosen)} of them")
    for point in chosen:
        with empty(bench, cluster) as name:
            killed_at = bench.forks(name).kill_at("restore", point)
            bench.wait_for_sessions(name)
            # Once it is verified it is complete, and a second one is refused.
            if VERIFIED not in points[: int(point)]:
                with bench.opened(name, must_be_migrated=False) as platform:
                    STEPS["restore"](platform, bench.folder)
            assert bench.content(name) == expected
            with bench.opened(name) as platform:  # and the lake can be used again
                STEPS["to-lake"](platform, bench.folder)
                check_at_end(platform, bench.lake)
        print(f"  {point:>4}  {killed_at:<34} equal: True", flush=True)


@pytest.fixture
def trained(cluster: Cluster, simulated_drops: Path, tmp_path: Path) -> Iterator[LakeBench]:
    bench = LakeBench(cluster, tmp_path / "bench", simulated_drops, **TWO_MONTHS.settings)
    yield bench
    bench.close()


def test_a_killed_training_set_or_score_of_the_engine(
    trained: LakeBench, cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    bench = trained
    template = f"sf_lake_{uuid4().hex[:12]}"
    copy_state(cluster, TWO_MONTHS, simulated_drops, template, tmp_path / "home")
    state = bench.save(bench.save_first(template), "to-lake")
    with bench.begun(state) as name:
        with bench.opened(name) as platform:
            digest = training_set(platform, JANUARY).digest
            STEPS["score"](platform, bench.folder)
        expected = bench.content(name)
    cluster.drop(template)
    with sail_server() as remote:
        for step in ("training-set", "score"):
            with bench.begun(state) as name:
                engine = {"engine": "spark", "spark_remote": remote}
                points = bench.forks(name, **engine).list_points(step)
            chosen = choose_points(points, MORE_POINTS, Random(SEED))
            print(f"\n{step} on the engine: {len(points)} points, killed at {len(chosen)}")
            for point in chosen:
                with bench.begun(state) as name:
                    killed_at = bench.forks(name, **engine).kill_at(step, point)
                    bench.wait_for_sessions(name)
                    with bench.opened(name) as platform:
                        check_after_kill(platform, bench.lake)
                        settings = platform.settings.with_values(engine)
                        again = replace(platform, settings=settings)
                        assert training_set(again, JANUARY).digest == digest
                        STEPS["score"](again, bench.folder)
                    with bench.opened(name) as platform:
                        check_at_end(platform, bench.lake)
                    assert bench.content(name) == expected
                print(f"  {point:>4}  {killed_at:<34} equal: True", flush=True)
