"""The Python API in one process: two embedded servers at once, and Ctrl-C at random moments."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import CHEAP

import streamflow as sf
from streamflow.database.embedded import remove_server

SEED = 20
DRAWS = int(os.environ.get("STREAMFLOW_PROOF_DRAWS", "60"))
JANUARY, FEBRUARY = "2024-01-31", "2024-02-29"
SMALL = {**CHEAP, "trees": 5, "model": "logistic"}


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two state folders, each with a PostgreSQL of its own."""
    folders = (tmp_path / "first", tmp_path / "second")
    yield folders
    for folder in folders:
        remove_server(folder)


def test_two_homes_are_worked_on_in_turns(homes: tuple[Path, Path], simulated_drops: Path) -> None:
    """The address of MLflow is the same text for both: only the environment tells them apart."""
    drops = ((simulated_drops / "month_000", JANUARY), (simulated_drops / "month_001", FEBRUARY))
    with sf.open(homes[0], **SMALL) as first, sf.open(homes[1], **SMALL) as second:
        for installation, (folder, as_of) in zip((first, second), drops, strict=True):
            installation.ingest(folder, as_of)
        for installation, (_, as_of) in zip((first, second), drops, strict=True):
            installation.snapshot(as_of)
            installation.materialize()
        runs = {}
        for number in (1, 2):
            for installation, (_, as_of) in zip((first, second), drops, strict=True):
                trained = installation.train(as_of)
                assert trained.version == number
                runs[installation.home, number] = trained.run_id
        for installation, (_, as_of) in zip((first, second), drops, strict=True):
            versions = installation.models()
            assert versions["as_of"].str.slice(0, 10).unique().to_list() == [as_of]
            expected = [runs[installation.home, number] for number in (2, 1)]
            assert versions["run_id"].to_list() == expected
            installation.promote(1, force=True, why="a proof")
        assert first.models()["stage"].to_list() == ["None", "Production"]
        assert second.reproduce(1).result == "identical"
        assert first.reproduce(2).result == "identical"
        first.close()
        assert len(second.models()) == 2


def test_ctrl_c_at_any_moment_leaves_an_installation_that_works(
    homes: tuple[Path, Path], simulated_drops: Path
) -> None:
    draw = random.Random(SEED)
    churn = sf.open(homes[0], **SMALL)
    churn.ingest(simulated_drops / "month_000", JANUARY)
    churn.snapshot(JANUARY)
    churn.materialize()
    churn.promote(churn.train(JANUARY).version, force=True, why="a proof")
    key = churn.training_set(JANUARY).frame["user_id"][0]
    calls: dict[str, Callable[[], object]] = {
        "ingest": lambda: churn.ingest(simulated_drops / "month_001", FEBRUARY),
        "snapshot": lambda: churn.snapshot(FEBRUARY),
        "materialize": churn.materialize,
        "train": lambda: churn.train(JANUARY),
        "gate": lambda: churn.gate(1),
        "score": lambda: churn.score(JANUARY),
        "explain": lambda: churn.explain(key),
        "reproduce": lambda: churn.reproduce(1),
        "promote": lambda: churn.promote(draw.choice([1, 2]), force=True, why="a proof"),
    }
    churn.train(JANUARY)
    churn.ingest(simulated_drops / "month_001", FEBRUARY)
    usual_s = dict.fromkeys(calls, 1.0)
    ends: Counter[tuple[str, str]] = Counter()
    environment = dict(os.environ)
    umask = os.umask(0o022)
    for _ in range(DRAWS):
        name = draw.choice(list(calls))
        is_interrupted = _interrupt(calls[name], draw.uniform(0, usual_s[name]))
        ends[name, "interrupted" if is_interrupted else "ended before"] += 1
        assert dict(os.environ) == environment, name
        assert os.umask(0o022) == 0o022, name
        begin = time.monotonic()
        calls[name]()
        usual_s[name] = time.monotonic() - begin
    os.umask(umask)
    for line in sorted(ends.items()):
        print(line)
    assert churn.reproduce(1).result == "identical"
    assert churn.verify(1).holds
    churn.close()


def _interrupt(call: Callable[[], object], after_s: float) -> bool:
    """Call, and raise KeyboardInterrupt in the call as Ctrl-C does. Return whether it came."""
    former = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(after_s, 1e-3))
        call()
    except KeyboardInterrupt:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    return False
