"""Load a version from downloaded files, and try it on its stored requests.

As a program it is the process that `trial_process` starts.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from streamflow.core.training.background import Background
from streamflow.core.versions.version_files import (
    BACKGROUND,
    DECISION,
    MODEL,
    STORED_REQUESTS,
    VERSION_FILES,
    VersionFile,
    is_unchanged,
)
from streamflow.errors import ArtifactUntrusted
from streamflow.models import model_file
from streamflow.models.file_object import FileObject
from streamflow.models.model_arrays import load_arrays
from streamflow.models.trial_process import REFUSED

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor

Digests = Mapping[VersionFile, str]
PACKAGE = "streamflow.models"


def load_folder(folder: Path, digests: Digests, *, as_arrays: bool = False) -> Predictor:
    """Load the predictor of a version whose files are in a folder.

    Args:
        folder: the folder of the files.
        digests: the digest that each file must have.
        as_arrays: read the model file without scikit-learn, if the kind of the model allows it.

    Raises:
        ArtifactUntrusted: a file is not the registered one.
    """
    from streamflow.models.predictor import compile_predictor

    decision = model_file.load_decision(
        (folder / DECISION.name).read_bytes(), expected_digest=digests[DECISION]
    )
    background = _load_background(folder, digests)
    path = folder / MODEL.name
    arrays = load_arrays(path, expected_digest=digests[MODEL]) if as_arrays else None
    pipeline = arrays or model_file.load(path, expected_digest=digests[MODEL])
    return compile_predictor(pipeline, decision, background)


def _load_background(folder: Path, digests: Digests) -> Background | None:
    """Load the usual values of the training rows, if the version has them."""
    if BACKGROUND not in digests:
        return None
    content = (folder / BACKGROUND.name).read_bytes()
    return model_file.load_background(content, expected_digest=digests[BACKGROUND])


def load_agreeing(
    folder: Path,
    digests: Digests,
    *,
    version_name: str,
    as_arrays: bool = False,
    by_objects: bool = False,
) -> Predictor:
    """Load a predictor from a folder that also has the stored requests, and ask it these.

    Args:
        folder: the folder of the files.
        digests: the digest that each file must have.
        version_name: the name of the version in messages.
        as_arrays: see `load_folder`.
        by_objects: if the file is read as arrays, read it by scikit-learn too, and compare their
            answers.

    Raises:
        ArtifactUntrusted: a file is not the registered one, or the answers differ.
    """
    from streamflow.models.version_check import require_agreement

    with _refuse_failures(version_name):
        predictor = load_folder(folder, digests, as_arrays=as_arrays)
        pipeline = None
        if by_objects and isinstance(predictor.explainer.pipeline, FileObject):
            pipeline = model_file.load(folder / MODEL.name, expected_digest=digests[MODEL])
    content = (folder / STORED_REQUESTS.name).read_bytes()
    digest = digests.get(STORED_REQUESTS, "")
    if not is_unchanged(STORED_REQUESTS, content, digest):
        raise ArtifactUntrusted(f"{version_name}: {STORED_REQUESTS.name} is not the registered one")
    with _refuse_failures(version_name):
        require_agreement(predictor, content, version_name=version_name, pipeline=pipeline)
    return predictor


@contextmanager
def _refuse_failures(version_name: str) -> Iterator[None]:
    """Raise ArtifactUntrusted when our code fails at what the files contain."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
        raise ArtifactUntrusted(
            f"{version_name} cannot answer its stored requests: {type(exc).__name__}: {exc}"
        ) from exc


def main() -> int:
    """Try the version that standard input describes. Return the exit code."""
    gc.disable()  # It would take a sixth of the time, and this process ends soon.
    lines: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_read_input, args=[lines], daemon=True).start()
    import_libraries()
    task = json.loads(lines.get())
    _, hard_limit = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (task["cpu_limit_s"], hard_limit))
    digests = {
        file: task["digests"][file.name] for file in VERSION_FILES if file.name in task["digests"]
    }
    try:
        # The API reads the file as arrays.
        load_agreeing(
            Path(task["folder"]),
            digests,
            version_name=task["version_name"],
            as_arrays=True,
            by_objects=True,
        )
    except ArtifactUntrusted as error:
        print(error.message)
        return REFUSED
    return 0


def import_libraries() -> None:
    """Import what a trial needs, whichever version it is."""
    from streamflow.models.skops_import import import_skops

    import_skops()
    libraries = {name.rpartition(".")[0] for name in model_file.TRUSTED_TYPES} | {"pandas"}
    own_modules = (f"{PACKAGE}.predictor", f"{PACKAGE}.version_check")
    for module in (*sorted(libraries), *own_modules):
        import_module(module)


def _read_input(lines: SimpleQueue[bytes]) -> None:
    """Read the line of the task, and end this process when standard input ends."""
    lines.put(sys.stdin.buffer.readline())
    sys.stdin.buffer.read()
    os._exit(REFUSED)


if __name__ == "__main__":
    try:
        code = main()
    except Exception:  # noqa: BLE001  # Python would end by a signal: the thread holds a lock
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # The thread still reads standard input, and Python would wait for its lock.
    os._exit(code)
