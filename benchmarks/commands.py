"""Time commands as whole processes against the import of the libraries that they need.

The installation is at rest: each process starts PostgreSQL, and the server ends after it. A process
of the command, one that only imports the libraries, and one of a different commit take turns, so
that a busy machine slows down all of them. The times are medians.

PEER_SOURCE names the folder `src` of a different commit with the same schema of the database; its
processes are timed in the same turns. RUNS is the number of turns.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from ratios import Ratio, record

USERS, SEED = 7_043, 42
JANUARY = datetime(2024, 1, 31, tzinfo=UTC)
RUNS = int(os.environ.get("RUNS", "5"))
PEER_SOURCE = os.environ.get("PEER_SOURCE", "")
# What no command can do without: the command line, its tables, settings, arrays and PostgreSQL.
LIBRARIES = "import typer, rich.console, rich.table, pydantic, pydantic_settings, numpy, psycopg"
# The processor time that a command may take, in imports of the libraries. `predict` and `explain`
# also check and read a model file of 10 MB.
ALLOWED = {"models": 1.75, "predict": 3.0, "explain": 3.5}


def main() -> int:
    """Print the table; 1 when a command takes longer than it may."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        os.environ["STREAMFLOW_HOME"] = str(home)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        try:
            key = _prepare(Path(folder))
            return _compare(key)
        finally:
            from streamflow.database.embedded import remove_server

            remove_server(home)


def _prepare(folder: Path) -> str:
    """Put a forest of 300 trees into Production, and return the key of a user."""
    from streamflow.platform import open_platform
    from streamflow.settings import load_settings
    from streamflow.steps.data.ingest import ingest
    from streamflow.steps.data.materialize import materialize
    from streamflow.steps.data.migrate import ensure_migrated
    from streamflow.steps.data.simulate import simulate
    from streamflow.steps.data.snapshot import snapshot
    from streamflow.steps.promotion.promote import promote
    from streamflow.steps.training.train import train

    receipt = simulate(folder, users=USERS, months=1, seed=SEED, notify=lambda _: None)
    drop = receipt.folders[0]
    with open_platform(load_settings(), must_be_migrated=False) as platform:
        ensure_migrated(platform)
        ingest(platform, drop, JANUARY)
        snapshot(platform, JANUARY)
        materialize(platform)
        train(platform, JANUARY)
        promote(platform, 1, force=True, why="the benchmark")
    rows = (drop / "users.csv").read_text(encoding="utf-8").splitlines()
    return rows[1].split(",")[0]


def _compare(key: str) -> int:
    """Time the commands in turns with the libraries, and print what each took."""
    failures = 0
    print(
        f"{'command':<10}{'seconds':>9}{'CPU s':>8}{'libraries':>11}{'ratio':>8}{'allowed':>9}",
        end="",
    )
    print(f"{'peer CPU s':>12}{'of the peer':>13}" if PEER_SOURCE else "")
    for command in (["models"], ["predict", key], ["explain", key]):
        times: dict[str, list[tuple[float, float]]] = {"ours": [], "libraries": [], "peer": []}
        for _ in range(RUNS):
            times["libraries"].append(_time([sys.executable, "-c", LIBRARIES]))
            times["ours"].append(_time([sys.executable, "-m", "streamflow", "-q", *command]))
            if PEER_SOURCE:
                peer = [sys.executable, "-m", "streamflow", "-q", *command]
                times["peer"].append(_time(peer, PYTHONPATH=PEER_SOURCE))
        seconds, ours = (median(column) for column in zip(*times["ours"], strict=True))
        libraries = median(cpu for _, cpu in times["libraries"])
        name = command[0]
        ratio = ours / libraries
        measured = Ratio(
            section="commands",
            measure=f"{name}, in imports of the libraries",
            value=ratio,
            bound=ALLOWED[name],
            is_lowest=False,
        )
        failures += not record(measured)
        print(
            f"{name:<10}{seconds:>9.2f}{ours:>8.2f}{libraries:>11.2f}{ratio:>8.2f}{ALLOWED[name]:>9.2f}",
            end="",
        )
        peers = median(cpu for _, cpu in times["peer"]) if PEER_SOURCE else 0.0
        print(f"{peers:>12.2f}{ours / peers:>13.2f}" if PEER_SOURCE else "", flush=True)
    return int(failures > 0)


def _time(command: list[str], **variables: str) -> tuple[float, float]:
    """Run a process, and return its seconds on the clock and of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **variables})
    seconds = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu


if __name__ == "__main__":
    sys.exit(main())
