"""Proof: 1,000 random interruptions of random commands, after which `doctor` is clean."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from conftest import Cluster
from support.interruptions import Bench, Material, make_material

PARTS, INTERRUPTIONS_OF_A_PART = 20, 50


@pytest.fixture(scope="module")
def material(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Material:
    return make_material(cluster, simulated_drops, tmp_path_factory.mktemp("interruptions"))


@pytest.mark.parametrize("seed", range(PARTS))
def test_an_interrupted_command_leaves_nothing_that_doctor_cannot_name(
    material: Material, seed: int
) -> None:
    bench = Bench(material, random.Random(seed))
    bench.live(INTERRUPTIONS_OF_A_PART)
    print(f"\nseed {seed}: {bench.interruptions} interruptions; {bench.early} came too late")
    print(bench.table())
    assert not bench.faults, "\n".join(bench.faults)
