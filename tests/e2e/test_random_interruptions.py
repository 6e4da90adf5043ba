"""A few random interruptions of random commands; `make prove` has 1,000."""

from __future__ import annotations

import random
from pathlib import Path

from conftest import Cluster
from support.interruptions import Bench, make_material


def test_an_interrupted_command_leaves_nothing_that_doctor_cannot_name(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    material = make_material(cluster, simulated_drops, tmp_path, with_files=False)
    bench = Bench(material, random.Random(1))
    bench.live(3, ("ingest", "materialize", "forget"))
    assert not bench.faults, "\n".join(bench.faults)
