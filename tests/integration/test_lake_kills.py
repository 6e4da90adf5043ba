"""A snapshot into the lake that is killed leaves nothing half: a quick form of the proof."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Cluster
from support.chain import JANUARY, load
from support.lake_kills import LakeBench, check_after_kill, check_at_end

from streamflow.platform import Platform

# A metadata file is there that the catalog does not name; and all is in the lake, when PostgreSQL
# has not committed it. Its first commits are of the drop.
POINTS = ("before the catalog's commit:3", "after the catalog's commit:29")
REVISIONS = "SELECT table_name, as_of, revision, rows, digest FROM streamflow.revision ORDER BY 1"


@pytest.fixture
def bench(cluster: Cluster, simulated_drops: Path, tmp_path: Path) -> Iterator[LakeBench]:
    made = LakeBench(cluster, tmp_path / "bench", simulated_drops)
    yield made
    made.close()


def test_a_killed_snapshot_run_again_gives_the_digests_of_an_undisturbed_one(
    bench: LakeBench, platform: Platform, cluster: Cluster
) -> None:
    drop = bench.folder / "drops/month_000"
    load(platform, drop, JANUARY)
    expected = platform.connection.execute(REVISIONS).fetchall()
    with bench.begun(bench.save_first(cluster.template)) as name:
        forks = bench.forks(name)
        for point in POINTS:
            forks.kill_at("January", point)
            bench.wait_for_sessions(name)
        with bench.opened(name) as again:
            assert check_after_kill(again, bench.lake) > 0
            assert again.connection.execute(REVISIONS).fetchall() == []
            load(again, drop, JANUARY)
            assert again.connection.execute(REVISIONS).fetchall() == expected
            check_at_end(again, bench.lake)
