"""What is made once in a run of the tests, by whichever worker of xdist comes first."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = "TESTS_SHARED_FOLDER"  # the variable that names the folder of this run


def create_shared_folder() -> Path:
    """Make the folder of this run; the workers of xdist inherit the variable."""
    folder = Path(tempfile.mkdtemp(prefix="streamflow-tests-"))
    os.environ[FOLDER] = str(folder)
    return folder


def remove_shared_folder() -> None:
    """Remove the folder of this run."""
    shutil.rmtree(os.environ.pop(FOLDER))


def shared_folder() -> Path:
    """The folder that all workers of this run share."""
    return Path(os.environ[FOLDER])


def once(name: str, make: Callable[[], str]) -> str:
    """What `make` returned to the first caller of this run; the others wait for it."""
    made = shared_folder() / f"{name}.made"
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            text = make()
            made.write_text(text)
        return made.read_text()


@contextmanager
def first_alone(name: str) -> Iterator[None]:
    """Let the first worker of this run do the block alone. The others wait, then do it at once."""
    done = shared_folder() / f"{name}.done"
    with done.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            yield
            done.touch()
            return
    yield


def all_made() -> dict[str, str]:
    """Everything that was made in this run: name -> text."""
    return {path.stem: path.read_text() for path in shared_folder().glob("*.made")}
