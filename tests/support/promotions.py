"""A process that promotes versions in turn until it is killed, and what must hold after that."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from conftest import Cluster

from streamflow.core.promotion.ledger import find_last_move
from streamflow.platform import Platform, open_platform
from streamflow.settings import inherited_environment
from streamflow.steps.stages.ledger import read_ledger, verify_ledger
from streamflow.steps.stages.transitions import reconcile
from streamflow.steps.training.train import train
from support.chain import JANUARY, run

WORK = """
from itertools import cycle
from streamflow.platform import open_platform
from streamflow.settings import load_settings
from streamflow.steps.stages.transitions import login_name, move_to_stage, reconcile_locked
from streamflow.warehouse import ledger
from streamflow.warehouse.ledger import Move
with open_platform(load_settings()) as platform:
    platform.models.read_stages()  # imports MLflow
    print("ready", flush=True)
    for version in cycle((1, 2, 3)):
        with ledger.lock_ledger(platform.connection):
            reconcile_locked(platform)
            move = Move(
                who=login_name(), model="streamflow_churn", action="promoted",
                stage="Production", version=version, why=""
            )
            move_to_stage(platform, move)
"""


@contextmanager
def three_versions(cluster: Cluster, drop: Path, home: Path) -> Iterator[Platform]:
    """An installation with three small versions and live features."""
    name = f"sf_moves_{uuid4().hex[:12]}"
    cluster.clone(name)
    settings = cluster.settings(
        name, home, trees=3, calibration="none", threshold=0.5, gate_draws=50
    )
    with open_platform(settings) as platform:
        run(platform, drop, JANUARY)
        for seed in range(3):
            train(replace(platform, settings=settings.model_copy(update={"seed": seed})), JANUARY)
        yield platform
    cluster.drop(name)


def killed(platform: Platform, cluster: Cluster, *, seed: int) -> tuple[int, list[str]]:
    """Kill a process in the middle of its promotions, and run the next command.

    Returns the entries made, and what does not agree.
    """
    before = len(read_ledger(platform))
    environment = {
        **inherited_environment(),
        **cluster.variables(platform.login.database, platform.home),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", WORK], env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(random.Random(seed).uniform(0.05, 0.6))
    process.kill()
    process.wait()
    process.stdout.close()
    reconcile(platform)
    entries, now = read_ledger(platform), platform.models.read_stages()
    last_move = find_last_move(entries)
    said = {
        "ledger": last_move.to_version if last_move else None,
        "stage": now.versions_by_stage["Production"],
        "alias": now.aliased_versions["Production"],
    }
    wrong = (
        [] if said["stage"] == [said["ledger"]] and said["alias"] == said["ledger"] else [str(said)]
    )
    wrong += [f"entry {e.seq}: {e.action}" for e in entries[before:] if e.action != "promoted"]
    verdict = verify_ledger(platform)
    return len(entries) - before, wrong if verdict.broken is None else [*wrong, verdict.text]
