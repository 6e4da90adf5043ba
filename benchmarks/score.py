"""Time `score` of a whole drop against a walk through the forest and a bare COPY of the results.

Until November 2026 the walk in one thread was the compiled model. So a faster model does not make
the peer faster. The compiled model and the reasons of some rows are timed too.

The model learns from some thousand simulated users. The drop that it scores has USERS of them
(1 million). Both sides are timed in the same run. Our time is that of the whole process: it reads,
joins and stores the rows and computes their digest. The walk and the model get a ready matrix.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ratios import IS_SHORT, Ratio, record

if TYPE_CHECKING:
    from streamflow.models.model_kind import CompiledModel, Floats
    from streamflow.models.predictor import Predictor
    from streamflow.platform import Platform

USERS, LEARNED, SEED = int(os.environ.get("USERS", "1000000")), 7_043, 42
FIRST, SECOND = datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)
REQUIRED, MEMORY_GB = 1 / 2, 2.0
EXPLAINED_ROWS, PLANNED_ROWS = 32, 5_000
#: The reasons of so many rows at once are compared with those of a row alone, by so many trees.
EXPLAINED_TOGETHER, EXPLAINED_TREES, FASTER_TOGETHER = 20_000, 10, 20.0
#: The processor time of a walk, in times of that of the model.
WALKS = 2.0


class Times(NamedTuple):
    """Seconds on the clock and of the processor for all users."""

    seconds: float
    cpu: float


def main() -> int:
    """Print the table; 1 when `score` is slower or larger than it may be."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STREAMFLOW_HOME"] = str(Path(folder, "home"))
        try:
            return _measured(Path(folder))
        finally:
            from streamflow.database.embedded import remove_server

            remove_server(Path(folder, "home"))


def _measured(folder: Path) -> int:
    from streamflow.platform import open_platform
    from streamflow.settings import load_settings
    from streamflow.steps.data.simulate import simulate

    simulate(folder / "few", users=LEARNED, months=1, seed=SEED, notify=_say)
    simulate(folder / "many", users=USERS, months=1, seed=SEED + 1, notify=_say)
    # Open during the whole benchmark: that keeps the server up.
    with open_platform(load_settings(), notify=_say, must_be_migrated=False) as platform:
        _prepare(platform, folder)
        ours, gigabytes = _score()
        walk, model, copy = _bare(platform)
    speed = (walk.seconds + copy) / ours
    print(
        f"{USERS:,} users, forest of {platform.settings.trees} trees learned from {LEARNED:,} users"
    )
    print(f"{'score':<26}{ours:>9.1f} s {gigabytes:>8.2f} GB {USERS / ours:>12,.0f} users/s")
    for name, times in (("walk in one thread", walk), ("compiled model", model)):
        print(
            f"{name:<26}{times.seconds:>9.1f} s {times.cpu:>6.1f} CPU s"
            f" {USERS / times.seconds:>11,.0f} users/s"
        )
    print(f"{'bare COPY of the results':<26}{copy:>9.1f} s")
    speeds = Ratio(
        section="score",
        measure=f"speed of a walk and a COPY, {USERS:,} users",
        value=speed,
        bound=None if IS_SHORT else REQUIRED,
    )
    walks = Ratio(
        section="score",
        measure="processor time of a walk, in times of the model",
        value=walk.cpu / model.cpu,
        bound=WALKS,
    )
    print(f"speed {speeds.value:.2f} of the walk and the COPY, required {REQUIRED:.2f}")
    print(f"the walk takes {walks.value:.2f} of the processor time of the model")
    is_good = record(speeds) & record(walks)
    return int(not is_good or gigabytes > MEMORY_GB)


def _say(words: str) -> None:
    print(f"… {words}", file=sys.stderr)


def _prepare(platform: Platform, folder: Path) -> None:
    """A version of the few in Production, the many frozen."""
    from streamflow.steps.data.ingest import ingest
    from streamflow.steps.data.migrate import migrate
    from streamflow.steps.data.snapshot import snapshot
    from streamflow.steps.promotion.promote import promote
    from streamflow.steps.training.train import train

    migrate(platform)
    for name, day in (("few", FIRST), ("many", SECOND)):
        ingest(platform, folder / name / "month_000", day)
        snapshot(platform, day)
        if name == "few":
            promote(
                platform,
                train(platform, day).version,
                force=True,
                why="the benchmark's version",
            )


def _score() -> tuple[float, float]:
    """Seconds and gigabytes of the command in a process of its own."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamflow", "score", "--as-of", f"{SECOND:%Y-%m-%d}"],
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - begin, usage.ru_maxrss * 1024 / 1e9


def _bare(platform: Platform) -> tuple[Times, Times, float]:
    """Return the times of a walk and of the model, and the seconds of one COPY of the results."""
    import polars as pl

    from streamflow.core.data.instants import instant_of_day
    from streamflow.core.statistics.threshold import comparable_threshold
    from streamflow.database import adbc, arrow, connect
    from streamflow.database.known_at import current_known_at
    from streamflow.models.portable import forest
    from streamflow.steps.stages.transitions import version_in_stage
    from streamflow.steps.training.feature_reading import read_features
    from streamflow.steps.versions.registered_version import load_answering
    from streamflow.warehouse import frozen

    at, key = instant_of_day(SECOND), platform.catalog.entity.key
    k = current_known_at(platform.connection)
    keys = frozen.keys_and_labels(platform.address, platform.catalog.entity.table, key, None, at, k)
    version = version_in_stage(platform)
    assert version is not None
    predictor = load_answering(platform, version).predictor
    matrix = predictor.encoder.encode_frame(read_features(platform, keys, at, k))
    walk = forest.compile_model(predictor.explainer.pipeline)
    predictor.model(matrix[:PLANNED_ROWS])  # plans the trees
    walked, walk_times = _time(walk, matrix)
    answers, model_times = _time(predictor.model, matrix)
    assert answers.tobytes() == walked.tobytes()
    _explain(predictor, matrix)
    probability = predictor.decision.calibrator.apply(answers)
    threshold = comparable_threshold(predictor.threshold)
    results = pl.DataFrame(
        {
            "key": keys[key],
            "probability": probability,
            "prediction": pl.Series(probability >= threshold).cast(pl.Int16),
        }
    )
    with connect(platform.login, autocommit=True) as connection:
        connection.execute(
            "CREATE SCHEMA bench; CREATE TABLE bench.score"
            " (key text PRIMARY KEY, probability double precision, prediction smallint)"
        )
    begin = time.perf_counter()
    with adbc.connection(platform.login) as opened:
        arrow.ingest(opened, "bench", "score", [results])
        opened.commit()
    return walk_times, model_times, time.perf_counter() - begin


def _time(model: CompiledModel, matrix: Floats) -> tuple[Floats, Times]:
    """Return the answers of a model and how long they took."""
    begin = time.perf_counter()
    cpu_begin = time.process_time()
    answers = model(matrix)
    cpu = time.process_time() - cpu_begin
    return answers, Times(time.perf_counter() - begin, cpu)


def _explain(predictor: Predictor, matrix: Floats) -> None:
    """Print the time of the reasons of a row, alone and as one of many rows.

    Some trees are enough to compare them, as each tree takes its own time.
    """
    import numpy as np

    from streamflow.models.kinds import kind_of
    from streamflow.models.tree_shap import TreeShap

    pipeline = predictor.explainer.pipeline
    read_trees = kind_of(pipeline).read_trees
    assert read_trees is not None  # the model is a forest
    all_trees, width = read_trees(pipeline)
    trees = list(all_trees)
    share = EXPLAINED_TREES / len(trees)
    shap = TreeShap(trees[:EXPLAINED_TREES], width)
    rows = matrix.astype(np.float32).astype(np.float64)
    few_rows, many_rows = rows[:EXPLAINED_ROWS], rows[:EXPLAINED_TOGETHER]
    seconds = {}
    answers = {}
    for name, part in (("alone", few_rows), ("together", many_rows)):
        begin = time.process_time()
        answers[name] = shap.compute(part).columns
        seconds[name] = (time.process_time() - begin) / len(part) / share
        print(f"reasons of a row {name}: {1000 * seconds[name]:.1f} ms of a processor")
    difference = np.abs(answers["together"][:EXPLAINED_ROWS] - answers["alone"]).max()
    assert difference < 1e-6, difference
    record(
        Ratio(
            section="score",
            measure="reasons: a row alone / one of many rows",
            value=seconds["alone"] / seconds["together"],
            bound=None if IS_SHORT else FASTER_TOGETHER,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
