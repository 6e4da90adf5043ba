"""Load a version from downloaded files, and try it in a process of its own.

A model file can be wrong in a way that no check of ours knows, so that C code ends the process that
uses it. A process that answers users lets a different process use a new version first.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
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
from streamflow.models.model_arrays import load_arrays

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor

Digests = Mapping[VersionFile, str]

#: Seconds of a processor that a trial may use. Most of them go into imports.
CPU_LIMIT_S = 60
#: Seconds that a trial may take. A valid version must not be refused because the machine is busy.
TIME_LIMIT_S = 300.0
#: The exit code of a trial that refuses the version. Its output says why.
REFUSED = 3


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
) -> Predictor:
    """Load a predictor from a folder that also has the stored requests, and ask it these.

    The arguments are those of `load_folder`, and the name of the version in messages.

    Raises:
        ArtifactUntrusted: a file is not the registered one, or the answers differ.
    """
    from streamflow.models.version_check import require_agreement

    with _refuse_failures(version_name):
        predictor = load_folder(folder, digests, as_arrays=as_arrays)
    content = (folder / STORED_REQUESTS.name).read_bytes()
    digest = digests.get(STORED_REQUESTS, "")
    if not is_unchanged(STORED_REQUESTS, content, digest):
        raise ArtifactUntrusted(f"{version_name}: {STORED_REQUESTS.name} is not the registered one")
    with _refuse_failures(version_name):
        require_agreement(predictor, content, version_name=version_name)
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


def try_in_process(folder: Path, digests: Digests, *, version_name: str) -> None:
    """Do `load_agreeing` in a new process, and forget the predictor.

    The process ends when this one ends: then its standard input is closed.

    Raises:
        ArtifactUntrusted: the process refused the version, did not end in time, or was ended by a
            signal. SIGXCPU ends it when it has used CPU_LIMIT_S.
    """
    task = {
        "folder": str(folder),
        "digests": {file.name: digest for file, digest in digests.items()},
        "version_name": version_name,
        "cpu_limit_s": CPU_LIMIT_S,
    }
    with (
        TemporaryFile() as printed,  # A pipe that nobody reads would stop a trial that prints much.
        subprocess.Popen(
            [sys.executable, "-m", "streamflow.models.version_trial"],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
            bufsize=0,  # A process that ended leaves no rest that `close` would write.
        ) as process,
    ):
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(task).encode() + b"\n")
            code = process.wait(TIME_LIMIT_S)
        except BrokenPipeError:
            code = process.wait()
        except subprocess.TimeoutExpired as exc:
            raise ArtifactUntrusted(
                f"{version_name} did not answer its stored requests in {TIME_LIMIT_S:.0f} s"
            ) from exc
        finally:
            process.kill()
        printed.seek(0)
        output = printed.read().decode(errors="replace").strip()
    if code != 0:
        raise ArtifactUntrusted(_describe_end(code, output, version_name))


def _describe_end(code: int, output: str, version_name: str) -> str:
    """Say why a trial failed."""
    if code == REFUSED:
        return output
    if code < 0:
        name = signal.Signals(-code).name
        return f"{version_name} ended the process that tried it: signal {-code} ({name})"
    last_line = output.splitlines()[-1] if output else "it said nothing"
    return f"{version_name} could not be tried: exit code {code}, {last_line}"


def main() -> int:
    """Try the version that standard input describes. Return the exit code."""
    task = json.loads(sys.stdin.buffer.readline())
    _, hard_limit = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (task["cpu_limit_s"], hard_limit))
    Thread(target=_end_with_parent, daemon=True).start()
    digests = {
        file: task["digests"][file.name] for file in VERSION_FILES if file.name in task["digests"]
    }
    try:
        load_agreeing(Path(task["folder"]), digests, version_name=task["version_name"])
    except ArtifactUntrusted as error:
        print(error.message)
        return REFUSED
    return 0


def _end_with_parent() -> None:
    """End this process when standard input ends."""
    sys.stdin.buffer.read()
    os._exit(REFUSED)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The thread still reads standard input, and Python would wait for its lock.
    os._exit(code)
