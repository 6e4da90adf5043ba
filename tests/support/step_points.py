"""Kill a step at one of its points: at a commit, or when a file or some rows were written.

A step runs as a fork of the tests: see `support.fork_server`. It counts the points that it
reaches, and kills itself at one of them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

from streamflow.files import archive
from streamflow.platform import Platform, open_platform
from streamflow.settings import load_settings
from streamflow.steps.data.forget import forget
from streamflow.steps.data.lake_cleaning import clean_lake
from streamflow.steps.serving.score import score
from streamflow.steps.training.training_set import training_set
from streamflow.steps.upkeep.backup import backup
from streamflow.steps.upkeep.move_to_lake import move_to_lake
from streamflow.steps.upkeep.prune import prune
from streamflow.steps.upkeep.restore import restore
from support.chain import FEBRUARY, JANUARY, load
from support.fork_server import ForkedCommand

FORGOTTEN = "7590-VHVEG"  # the first user of January

# What is done is one text, so that it can be handed to a fork; the folder has what it needs.
STEPS: Mapping[str, Callable[[Platform, Path], object]] = {
    "January": lambda platform, folder: load(platform, folder / "drops/month_000", JANUARY),
    "correction": lambda platform, folder: load(platform, folder / "drops/late", JANUARY),
    "February": lambda platform, folder: load(platform, folder / "drops/month_001", FEBRUARY),
    "to-lake": lambda platform, _: move_to_lake(platform),
    "forget": lambda platform, _: forget(platform, FORGOTTEN, why="a proof"),
    "prune": lambda platform, _: prune(platform),
    "clean": lambda platform, _: clean_lake(platform),
    "backup": lambda platform, folder: backup(platform, folder / "state.backup", force=True),
    "restore": lambda platform, folder: restore(platform, folder / "state.backup"),
    "training-set": lambda platform, _: training_set(platform, JANUARY),
    "score": lambda platform, _: score(platform, JANUARY, version=1),
}


class Points:
    """The points that this process has reached. At the last one the process kills itself."""

    def __init__(self, log: Path, last: str) -> None:
        """Args: `last` is a number of points, or NAME:NUMBER for points of one name."""
        self._log = log.open("a", encoding="utf-8")
        self._name, _, number = last.rpartition(":")
        self._remaining = int(number)
        self._lock = Lock()

    def reach(self, name: str) -> None:
        with self._lock:
            self._log.write(f"{name}\n")
            self._log.flush()
            if self._name in ("", name):
                self._remaining -= 1
                if self._remaining == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, attribute: str, name: str, *, before: bool = True) -> None:
        """Let each call of a function be two points, or only its end."""
        original = getattr(owner, attribute)

        @wraps(original)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            if before:
                self.reach(f"before {name}")
            result = original(*arguments, **named)
            self.reach(f"after {name}")
            return result

        is_static = isinstance(owner, type) and isinstance(
            owner.__dict__.get(attribute), staticmethod
        )
        setattr(owner, attribute, staticmethod(wrapper) if is_static else wrapper)

    def in_generator(self, owner: Any, attribute: str, name: str) -> None:
        """Let each value that a generator yields be a point."""
        original = getattr(owner, attribute)

        @wraps(original)
        def wrapper(*arguments: Any, **named: Any) -> Iterator[Any]:
            for value in original(*arguments, **named):
                yield value
                self.reach(f"after {name}")

        setattr(owner, attribute, wrapper)


def watch_postgres(points: Points) -> None:
    """Watch the commits of psycopg and ADBC."""
    import psycopg.transaction
    from adbc_driver_manager import dbapi

    transaction = psycopg.transaction.BaseTransaction
    original = transaction._commit_gen

    def commit(self: Any) -> Any:
        if self._outer_transaction:
            points.reach("before PostgreSQL's commit")
        yield from original(self)
        if self._outer_transaction:
            points.reach("after PostgreSQL's commit")

    transaction._commit_gen = commit  # type: ignore[method-assign]
    points.around(psycopg.Connection, "commit", "PostgreSQL's commit")
    points.around(dbapi.Connection, "commit", "the commit of Arrow rows")


def watch_lake(points: Points) -> None:
    """Watch the catalog's commits, and the files that are begun and deleted."""
    from pyiceberg.catalog import MetastoreCatalog
    from pyiceberg.io import pyarrow
    from sqlalchemy.orm import Session

    points.around(Session, "commit", "the catalog's commit")
    points.around(MetastoreCatalog, "_write_metadata", "a metadata file", before=False)
    points.around(pyarrow.PyArrowFile, "create", "a file is begun", before=False)
    points.around(pyarrow.PyArrowFileIO, "delete", "a file is deleted")
    writing = import_module("streamflow.steps.data.lake_writing")
    points.in_generator(writing, "_make_batches", "rows of a file")


def watch_files(points: Points) -> None:
    """Watch what `backup` and `restore` write, and files that get their name at the end."""
    restoring = import_module("streamflow.steps.upkeep.restore")
    points.around(archive.ArchiveWriter, "add", "a member of the backup", before=False)
    points.around(restoring, "run_sql", "the dump of a database")
    points.around(restoring, "_mark_verified", "the mark of a verified restore")
    points.around(os, "replace", "a file gets its name")


def watch_engine(points: Points) -> None:
    """Watch what is sent to the engine and read from it."""
    from streamflow.spark.session import SparkEngine

    points.around(SparkEngine, "send", "rows are sent to the engine", before=False)
    points.around(SparkEngine, "read", "rows are read from the engine")


class KilledSteps:
    """Runs steps as forks; each counts its points or is killed at one."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        """Args: `folder` has the drops; `variables` name the installation."""
        self._folder = folder
        self._variables = {**os.environ, **variables}

    def list_points(self, step: str) -> list[str]:
        """Run a step to its end and return the points that it reached."""
        code, points = self._run(step, "0")
        assert code == 0, points
        return points

    def kill_at(self, step: str, point: str) -> str:
        """Kill a step at a point (see `Points`), and return the name of the point."""
        code, points = self._run(step, point)
        assert code == -signal.SIGKILL, (code, points)
        return points[-1]

    def _run(self, step: str, point: str) -> tuple[int, list[str]]:
        log = self._folder / "points.txt"
        log.unlink(missing_ok=True)
        errors = self._folder / "errors.txt"
        arguments = [step, point, str(self._folder), str(log)]
        with Path(os.devnull).open("rb") as nothing, errors.open("wb") as output:
            streams = (nothing.fileno(), output.fileno(), output.fileno())
            command = ForkedCommand(
                arguments, self._variables, streams, module="support.step_points"
            )
            code = command.wait()
            command.close()
        points = log.read_text().splitlines() if log.exists() else []
        return code, points or errors.read_text().splitlines()[-20:]


@contextmanager
def _opened(step: str) -> Iterator[Platform]:
    with open_platform(load_settings(), must_be_migrated=step != "restore") as platform:
        yield platform


def main(arguments: Sequence[str]) -> None:
    """Do a step; kill this process when it reaches a point. The process that is killed."""
    step, point, folder, log = arguments
    if os.environ.get("STREAMFLOW_ENGINE") == "spark":
        from support.spark_servers import make_importable

        make_importable()
    with _opened(step) as platform:
        points = Points(Path(log), point)
        watch_postgres(points)
        watch_files(points)
        if platform.settings.lake:
            watch_lake(points)
        if platform.settings.engine == "spark":
            watch_engine(points)
        STEPS[step](platform, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
