"""The command line in this process: its parsing, settings, output and exit code.

It saves the seconds that the imports of a new process take.

It is for tests of what a command does. Tests of processes (signals, what remains of one, several at
once) start one: `support.processes`. As a program it runs as
`python -m support.command HOME COMMANDS`: the commands as JSON, each a list of words, one after
the other; JSON again on stdout, what `called` says of each.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

from streamflow.cli.app import main


class Said(NamedTuple):
    """How a command ended, and its words."""

    returncode: int
    stdout: str
    stderr: str


def called(home: Path, *arguments: str, extra: Mapping[str, str] | None = None) -> Said:
    """`streamflow ARGUMENTS` on this state folder; `extra` are environment variables."""
    out, error, code = StringIO(), StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
        redirect_stdout(out),
        redirect_stderr(error),
    ):
        for name, value in {"STREAMFLOW_HOME": str(home), **(extra or {})}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["streamflow", *arguments])
        try:
            main()
        except SystemExit as done:
            code = int(done.code or 0)
    return Said(code, out.getvalue(), error.getvalue())


if __name__ == "__main__":
    print(json.dumps([called(Path(sys.argv[1]), *words) for words in json.loads(sys.argv[2])]))
