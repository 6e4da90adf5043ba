"""`kill -9` at three points of the work, then the same again; `make prove` does it at many."""

from __future__ import annotations

from pathlib import Path

from conftest import Cluster
from support.kills import Bench, content


def test_a_killed_run_repeated_equals_an_undisturbed_one(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    drops = [
        (simulated_drops / "month_000", "2024-01-31"),
        (simulated_drops / "month_001", "2024-02-29"),
    ]
    bench = Bench(cluster, tmp_path, drops)
    name = bench.installation()
    seconds = bench.work(name)
    undisturbed = content(bench.address(name))
    bench.drop(name)
    for part in (0.2, 0.5, 0.8):
        found, half_written = bench.killed_and_repeated(part * seconds)
        assert half_written == []
        assert found == undisturbed
