"""`forget` meets every command that reads or writes rows, at every lock that either asks for.

Nothing sleeps: the locks are held by the proof, so the order of the two is exactly what it says.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from conftest import Cluster
from feast import FeatureStore
from support.chain import FEBRUARY, JANUARY, NOW, copy_drop, load
from support.forgetting import answer_by_api, require_forgotten
from support.interleaving import LOCKS, Call, interleave
from support.states import JANUARY_SERVED, State, in_state

from streamflow.errors import EntityUnknown, ImportRefused, SnapshotMissing
from streamflow.platform import Platform
from streamflow.steps.data.forget import ForgetReceipt, forget
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.monitoring.monitor import monitor
from streamflow.steps.promotion.promote import promote
from streamflow.steps.serving.predict import predict
from streamflow.steps.serving.score import score
from streamflow.steps.training.train import train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.upkeep.prune import prune
from streamflow.steps.versions.export import export
from streamflow.steps.versions.import_version import import_version

KEY = "7590-VHVEG"
BEFORE = datetime(2024, 1, 1, tzinfo=UTC)
MOST_ACQUISITIONS = 6  # of one lock by one command; more is an error of the proof
LOCKS_OF_FORGET = ("RAW_AND_FROZEN_ROWS", "FORGETTING")
RAW_ONLY = State(name="rawonly", prepare=lambda p, d: ingest(p, d / "month_000", JANUARY))


def erase(platform: Platform) -> object:
    return forget(platform, KEY, why="a request")


@pytest.fixture(scope="module")
def drops(simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """January, January corrected, January with a row that breaks the contract, and February."""
    folder = tmp_path_factory.mktemp("forget")
    january = simulated_drops / "month_000"
    fees = {"monthly_fee": pl.lit("31.5")}
    last = pl.col("user_id") == pl.col("user_id").last()
    bad = {"monthly_fee": pl.when(last).then(pl.lit("-1")).otherwise(pl.lit("32.5"))}
    return SimpleNamespace(
        folder=simulated_drops,
        corrected=copy_drop(january, folder / "corrected", subscriptions=fees),
        bad=copy_drop(january, folder / "bad", subscriptions=bad),
        february=simulated_drops / "month_001",
    )


@pytest.fixture(scope="module")
def exported(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Version 1 of January as a file."""
    folder = tmp_path_factory.mktemp("exported")
    with in_state(cluster, JANUARY_SERVED, simulated_drops, folder / "home") as platform:
        export(platform, "1", folder / "version.streamflow")
    return folder / "version.streamflow"


def write_by_feast(platform: Platform) -> None:
    """What `feast materialize` does: it reads the history, and writes live rows later."""
    repository = platform.features  # it writes the files that Feast reads
    store = FeatureStore(repo_path=str(repository.folder))
    try:
        store.materialize(BEFORE, FEBRUARY)
    finally:
        store.registry.write_engine.dispose()


def commands(drops: SimpleNamespace) -> dict[str, Call]:
    """Every command that reads or writes rows of users, but `import`."""
    return {
        "ingest": lambda p: ingest(p, drops.corrected, JANUARY),
        "ingest --reject-rows": lambda p: ingest(p, drops.bad, JANUARY, reject_rows=True),
        "run": lambda p: (load(p, drops.corrected, JANUARY), materialize(p)),
        "snapshot": lambda p: snapshot(p, JANUARY),
        "materialize": materialize,
        "feast materialize": write_by_feast,
        "training-set": lambda p: training_set(p, JANUARY),
        "train": lambda p: train(p, JANUARY),
        "predict": lambda p: predict(p, KEY, now=NOW),
        "serve": lambda p: answer_by_api(p, [KEY]),
        "score": lambda p: score(p, JANUARY),
        "monitor": lambda p: monitor(p, JANUARY),
        "promote": lambda p: promote(p, 1, force=True, why="a proof"),
        "prune": prune,
    }


@contextmanager
def state(cluster: Cluster, name: str, drops: SimpleNamespace, home: Path) -> Iterator[Platform]:
    """The installation in which a command is tried; `snapshot` has something to freeze."""
    prepared = RAW_ONLY if name == "import" else JANUARY_SERVED
    with in_state(cluster, prepared, drops.folder, home) as platform:
        if name == "snapshot":
            ingest(platform, drops.corrected, JANUARY)
        yield platform
    shutil.rmtree(home)


def require_known_error(outcome: object) -> None:
    """An error must be one that says that the key, or what was read, is gone."""
    if isinstance(outcome, Exception):
        assert isinstance(outcome, EntityUnknown | SnapshotMissing | ImportRefused), outcome


def meet(
    cluster: Cluster, drops: SimpleNamespace, home: Path, name: str, call: Call
) -> list[tuple[str, str, int]]:
    """Let the command and `forget` meet at every acquisition of every lock, in both orders.

    Returns:
        (who was stopped, lock, number) of each meeting.
    """
    meetings = []
    for lock in LOCKS:
        for first, second, who in ((call, erase, name), (erase, call, "forget")):
            if first is erase and lock not in LOCKS_OF_FORGET:
                continue
            for number in count(1):
                assert number <= MOST_ACQUISITIONS, f"{who} asks for {lock} again and again"
                with state(cluster, name, drops, home) as platform:
                    outcomes = interleave(platform, first, second, lock, number)
                    if outcomes is None:
                        break
                    forgotten = outcomes[1] if who == name else outcomes[0]
                    assert isinstance(forgotten, ForgetReceipt), (name, lock, number, forgotten)
                    require_known_error(outcomes[0] if who == name else outcomes[1])
                    require_forgotten(platform, KEY)
                    _require_no_return(platform, name, call)
                meetings.append((who, lock, number))
    return meetings


def _require_no_return(platform: Platform, name: str, call: Call) -> None:
    """The same command after `forget` brings nobody back."""
    try:
        call(platform)
    except EntityUnknown:
        assert name == "predict"
    except ImportRefused:
        assert name == "import"
    require_forgotten(platform, KEY)


NAMES = tuple(commands(SimpleNamespace(corrected=None, bad=None)))


@pytest.mark.parametrize("name", NAMES)
def test_what_was_erased_stays_erased_beside(
    name: str, cluster: Cluster, drops: SimpleNamespace, tmp_path: Path
) -> None:
    meetings = meet(cluster, drops, tmp_path / "home", name, commands(drops)[name])
    print(f"{name}: {len(meetings)} meetings: {meetings}")
    assert len(meetings) >= 3  # `forget` alone asks for its two locks three times


def test_what_was_erased_stays_erased_beside_import(
    cluster: Cluster, drops: SimpleNamespace, exported: Path, tmp_path: Path
) -> None:
    call: Callable[[Platform], object] = lambda p: import_version(p, exported)  # noqa: E731
    meetings = meet(cluster, drops, tmp_path / "home", "import", call)
    print(f"import: {len(meetings)} meetings: {meetings}")
    assert ("import", "RAW_AND_FROZEN_ROWS", 1) in meetings
