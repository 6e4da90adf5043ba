"""Try a version in a process of its own before this process uses it.

A model file can be wrong in a way that no check of ours knows, so that C code ends the process that
uses it. A process that answers users lets a different process use a new version first.

This module imports no library, so that a process can start the trial before it imports its own.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from streamflow.errors import ArtifactUntrusted

if TYPE_CHECKING:
    from streamflow.core.versions.version_files import VersionFile

#: Seconds of a processor that a trial may use. Most of them go into imports.
CPU_LIMIT_S = 60
#: Seconds that a trial may take. A valid version must not be refused because the machine is busy.
TIME_LIMIT_S = 300.0
#: The exit code of a trial that refuses the version. Its output says why.
REFUSED = 3


class TrialProcess:
    """A process that tries one version, and ends.

    It imports its libraries at once and then waits for the version, so whoever starts it early
    waits less. It also ends when this process ends: then its standard input is closed.
    """

    def __init__(self) -> None:
        # A pipe that nobody reads would stop a trial that prints much.
        self._printed = TemporaryFile()  # noqa: SIM115  # `close` closes it
        self._process = subprocess.Popen(
            # -P: no module of the current folder is imported in the place of one of ours.
            [sys.executable, "-P", "-m", "streamflow.models.version_trial"],
            stdin=subprocess.PIPE,
            stdout=self._printed,
            stderr=subprocess.STDOUT,
            bufsize=0,  # A process that ended leaves no rest that `close` would write.
        )

    def close(self) -> None:
        """End the process, whether or not it has tried a version."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._printed.close()

    def try_version(
        self, folder: Path, digests: Mapping[VersionFile, str], *, version_name: str
    ) -> None:
        """Load a version there as arrays and by scikit-learn, and ask both its stored requests.

        Args:
            folder: the folder of the files, and of the stored requests.
            digests: the digest that each file must have.
            version_name: the name of the version in messages.

        Raises:
            ArtifactUntrusted: the process refused the version, did not end in time, or was ended
                by a signal. SIGXCPU ends it when it has used CPU_LIMIT_S.
        """
        task = {
            "folder": str(folder),
            "digests": {file.name: digest for file, digest in digests.items()},
            "version_name": version_name,
            "cpu_limit_s": CPU_LIMIT_S,
        }
        try:
            code = self._run(json.dumps(task).encode() + b"\n")
            self._printed.seek(0)
            output = self._printed.read().decode(errors="replace").strip()
        except subprocess.TimeoutExpired as exc:
            raise ArtifactUntrusted(
                f"{version_name} did not answer its stored requests in {TIME_LIMIT_S:.0f} s"
            ) from exc
        finally:
            self.close()
        if code != 0:
            raise ArtifactUntrusted(_describe_end(code, output, version_name))

    def _run(self, task: bytes) -> int:
        """Give the process its task, and return its exit code."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(task)
        except BrokenPipeError:
            return self._process.wait()
        return self._process.wait(TIME_LIMIT_S)


def _describe_end(code: int, output: str, version_name: str) -> str:
    """Say why a trial failed."""
    if code == REFUSED:
        return output
    if code < 0:
        name = signal.Signals(-code).name
        return f"{version_name} ended the process that tried it: signal {-code} ({name})"
    last_line = output.splitlines()[-1] if output else "it said nothing"
    return f"{version_name} could not be tried: exit code {code}, {last_line}"
