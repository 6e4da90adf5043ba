"""Time steps on the engine with one worker and with two, in turn.

The engine is Apache Spark, whose folder SPARK_HOME names; each of its workers is a process. The
workers of Sail (`ENGINE=sail`) are threads of one process, and Python computes in one thread of a
process at a time. The server with one worker may use one processor of this machine, the other one
two.

With LAKE=1 the workers read the rows in a lake; without it they are sent. What the command itself
does is in the times: it sends the rows, writes the answers and computes the digests. The last lines
have the time in which the engine alone computed. Two workers need two processors that nobody else
uses. `score --explain` is the step with the most work for a worker, and it must be faster by the
required ratio; it has EXPLAINED users.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ratios import Ratio, record

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from streamflow.platform import Platform
    from streamflow.settings import Settings

USERS = int(os.environ.get("USERS", "50000"))
EXPLAINED = int(os.environ.get("EXPLAINED", "20000"))
ROUNDS = int(os.environ.get("RUNS", "3"))
IS_APACHE = os.environ.get("ENGINE", "spark") == "spark"
HAS_LAKE = os.environ.get("LAKE") == "1"
LEARNED, SEED = 7_043, 42
FIRST, SECOND, THIRD = (datetime(2024, month, 28, tzinfo=UTC) for month in (1, 2, 3))
WORKERS = (1, 2)
STEPS = ("training-set", "score", "score --explain")
#: The step that is nearly all work of the workers, and how much faster two of them must do it.
JUDGED, REQUIRED = "score --explain", 1.7


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of each run, by step and number of workers."""

    steps: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    engine: dict[tuple[str, int], list[float]] = field(default_factory=dict)


def main() -> int:
    """Print the table; 1 when two workers are slower than they must be."""
    tests = Path(__file__).parents[1] / "tests"
    sys.path.insert(0, str(tests))
    os.environ.setdefault("STREAMFLOW_TREES", "100")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STREAMFLOW_HOME"] = str(Path(folder, "home"))
        if HAS_LAKE:
            os.environ["STREAMFLOW_LAKE"] = str(Path(folder, "lake"))
        try:
            return _measure(Path(folder))
        finally:
            from streamflow.database.embedded import remove_server

            remove_server(Path(folder, "home"))


def _measure(folder: Path) -> int:
    from streamflow.platform import open_platform
    from streamflow.settings import load_settings

    times = Times()
    with (
        open_platform(load_settings(), notify=_say, must_be_migrated=False) as platform,
        ExitStack() as servers,
    ):
        _prepare(platform, folder)
        remotes = {}
        for workers in WORKERS:
            remotes[workers] = servers.enter_context(_start_server(folder, workers))
        for round_number in range(ROUNDS + 1):
            for workers in WORKERS:
                values = {"engine": "spark", "spark_remote": remotes[workers]}
                settings = platform.settings.with_values(values)
                # The first round loads the libraries into the workers.
                _run_steps(settings, workers, times if round_number else Times())
                _say(f"round {round_number} of {ROUNDS}, {workers} workers")
    return _print_table(times)


@contextmanager
def _start_server(folder: Path, workers: int) -> Iterator[str]:

    processors = os.sched_getaffinity(0)
    if len(processors) < workers:
        sys.exit(f"{workers} workers need {workers} processors; this process has {len(processors)}")
    # A process that is started has the processors of the one that starts it.
    os.sched_setaffinity(0, sorted(processors)[-workers:])
    try:
        with _open_server(folder, workers) as remote:
            os.sched_setaffinity(0, processors)
            yield remote
    finally:
        os.sched_setaffinity(0, processors)


def _open_server(folder: Path, workers: int) -> AbstractContextManager[str]:
    from support.spark_servers import apache_spark_server, sail_server

    if IS_APACHE:
        server_folder = folder / f"spark-{workers}"
        server_folder.mkdir()
        return apache_spark_server(server_folder, cores=workers)
    return sail_server(SAIL_EXECUTION__DEFAULT_PARALLELISM=str(workers))


def _prepare(platform: Platform, folder: Path) -> None:
    """A version of the few, and two frozen drops to compute with."""
    from streamflow.steps.data.ingest import ingest
    from streamflow.steps.data.migrate import migrate
    from streamflow.steps.data.simulate import simulate
    from streamflow.steps.data.snapshot import snapshot
    from streamflow.steps.training.train import train

    migrate(platform)
    drops = (("few", LEARNED, FIRST), ("many", USERS, SECOND), ("explained", EXPLAINED, THIRD))
    for name, users, day in drops:
        simulate(folder / name, users=users, months=1, seed=SEED + users, notify=_say)
        ingest(platform, folder / name / "month_000", day)
        snapshot(platform, day)
        if name == "few":
            train(platform, day)


def _run_steps(settings: Settings, workers: int, times: Times) -> None:
    """Run each step in a session of its own."""
    from streamflow.platform import open_platform
    from streamflow.steps.serving.score import score
    from streamflow.steps.training.training_set import training_set

    steps: dict[str, Callable[[Platform], Any]] = {
        "training-set": lambda platform: training_set(platform, SECOND),
        "score": lambda platform: score(platform, SECOND, version=1),
        "score --explain": lambda platform: score(platform, THIRD, version=1, explain=True),
    }
    for name, step in steps.items():
        with open_platform(settings) as platform, _timed_engine() as seconds:
            _delete_scores(platform)
            begin = time.perf_counter()
            step(platform)
            times.steps.setdefault((name, workers), []).append(time.perf_counter() - begin)
            times.engine.setdefault((name, workers), []).append(sum(seconds))


def _delete_scores(platform: Platform) -> None:
    """Delete the answers: `score` does not score the same rows again."""
    from streamflow.warehouse import scores

    with platform.maintenance_connection() as connection:
        scores.delete_runs(
            connection,
            [run for (run,) in connection.execute("SELECT id FROM streamflow.score_run")],
        )


@contextmanager
def _timed_engine() -> Iterator[list[float]]:
    """Yield the seconds for which the engine computed rows that were read."""
    from streamflow.spark.session import SparkEngine

    read = SparkEngine.read
    seconds: list[float] = []

    def timed_read(engine: SparkEngine, rows: Any) -> Any:
        begin = time.perf_counter()
        try:
            return read(engine, rows)
        finally:
            seconds.append(time.perf_counter() - begin)

    SparkEngine.read = timed_read  # type: ignore[method-assign]
    try:
        yield seconds
    finally:
        SparkEngine.read = read  # type: ignore[method-assign]


def _say(words: str) -> None:
    print(f"… {words}", file=sys.stderr)


def _print_table(times: Times) -> int:
    engine_name = "Apache Spark" if IS_APACHE else "Sail"
    place = "a lake" if HAS_LAKE else "PostgreSQL"
    print(f"{engine_name}, {USERS:,} users ({EXPLAINED:,} explained) in {place}")
    print(f"medians of {ROUNDS} rounds")
    print(f"load of this machine in the last minute: {os.getloadavg()[0]:.1f}")
    print(f"{'':<32}{'one worker':>12}{'two workers':>12}{'ratio':>8}")
    is_good = True
    for title, seconds in (("", times.steps), ("the engine alone: ", times.engine)):
        for step in STEPS:
            one, two = (median(seconds[step, workers]) for workers in WORKERS)
            print(f"{title + step:<32}{one:>10.2f} s{two:>10.2f} s{one / two:>8.2f}")
            if not title:
                measure = f"{step}, two workers of the engine against one"
                bound = REQUIRED if step == JUDGED else None
                ratio = Ratio(
                    section="spark_workers", measure=measure, value=one / two, bound=bound
                )
                is_good &= record(ratio)
    return int(not is_good)


if __name__ == "__main__":
    sys.exit(main())
