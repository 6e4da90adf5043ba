"""The jobs of a console: what their processes get, and what is shown of their end."""

from __future__ import annotations

import sys

import pytest

from streamflow.console.job_process import ChildProcesses
from streamflow.console.jobs import JobOrder, Message

ORDER = JobOrder(kind="score", arguments={}, subject="x", who="")


def run_script(processes: ChildProcesses) -> list[Message]:
    messages: list[Message] = []
    processes.launch(ORDER, messages.append)
    return messages


def test_a_job_does_not_get_what_the_platform_of_the_console_sets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    script = (
        "import json, os, sys; sys.stdin.read();"
        "print(json.dumps({'line': os.environ.get('MLFLOW_TRACKING_URI', 'not set')}))"
    )
    processes = ChildProcesses({}, [sys.executable, "-c", script])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://as-the-role-of-the-console")
    assert run_script(processes) == [{"line": "not set"}]
