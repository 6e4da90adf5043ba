"""The jobs of a console: what their processes get, and what is shown of their end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from threading import Event
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import pytest
from support.console_pages import make_board

from streamflow.console import job_process
from streamflow.console.job_process import ChildProcesses
from streamflow.console.jobs import LOOK_AND_RETRY, Job, JobBoard, JobOrder, Message
from streamflow.steps.upkeep.console_actions import INTERRUPTED, NewAction, record_work

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


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("import os; os.close(0); os._exit(1)", "its process ended with code 1"),
        ("import sys; sys.stdin.read()", "its process gave no result"),
        (
            "import os, sys; sys.stdin.read(); os.kill(os.getpid(), 9)",
            "its process was ended by signal 9",
        ),
        (
            "import sys; sys.stdin.read(); print('no message of 7590-VHVEG')",
            "an unforeseen error (JSONDecodeError)",
        ),
    ],
)
def test_a_job_without_a_result_has_failed_and_says_what_to_do(script: str, problem: str) -> None:
    logged: list[tuple[str, str]] = []
    board = JobBoard(
        ChildProcesses({}, [sys.executable, "-c", script]).launch,
        on_unforeseen=lambda order, description: logged.append((order.job_id, description)),
        on_forgotten=lambda _: None,
    )
    job = board.start(ORDER)
    end = monotonic() + 20
    while job.is_running and monotonic() < end:
        sleep(0.01)
    assert job.problem == problem
    assert job.remedy == LOOK_AND_RETRY
    [(job_id, description)] = logged
    assert job_id == ORDER.job_id
    assert "JSONDecodeError" in description or description == problem
    assert "7590-VHVEG" not in description


def test_what_a_called_program_prints_is_no_message(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def work(*_: object) -> bool:
        os.system("echo from a program")  # noqa: S605
        return True

    monkeypatch.setattr(job_process, "_run", work)
    monkeypatch.setattr(sys, "stdin", StringIO(json.dumps({"flags": {}, "order": ORDER.values})))
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    with pytest.raises(SystemExit):
        job_process.main()
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "from a program" in printed.err


def test_a_console_that_stops_ends_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_process, "END_WAIT_S", 0.2)
    ignores_the_end = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        'sys.stdin.read(); print(\'{"line": "ready"}\', flush=True); time.sleep(60)'
    )
    processes = ChildProcesses({}, [sys.executable, "-c", ignores_the_end])
    job = make_board(processes.launch).start(ORDER)
    end = monotonic() + 20
    while not job.lines and monotonic() < end:
        sleep(0.01)
    processes.close()
    while job.is_running and monotonic() < end:
        sleep(0.01)
    assert job.problem == "its process was ended by signal 9"


def test_the_work_of_a_console_that_stops_is_recorded_as_failed() -> None:
    states: list[tuple[str, str]] = []

    def execute(_: object, values: dict[str, str]) -> None:
        if "state" in values:
            states.append((values["state"], values["outcome"]))

    connection = SimpleNamespace(execute=execute, broken=False, closed=False)
    platform: Any = SimpleNamespace(connection=connection, forget_lost_connection=lambda: None)
    action = NewAction(job="a", who="b", action="c", subject="d")

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record_work(platform, action, stop, str)
    assert states == [("started", ""), ("failed", INTERRUPTED)]


def test_no_receipt_of_a_job_stays_when_a_user_is_forgotten() -> None:
    may_end = Event()

    def launch(order: JobOrder, on_message: Callable[[Message], None]) -> None:
        if order.subject == "long":
            may_end.wait(20)
        on_message({"receipt": {"user": "7590-VHVEG"}})

    def wait(job: Job) -> None:
        end = monotonic() + 20
        while job.is_running and monotonic() < end:
            sleep(0.01)

    board = make_board(launch)
    ended = board.start(replace(ORDER, job_id="1"))
    wait(ended)
    assert board.find("1") is ended
    running = board.start(replace(ORDER, job_id="2", subject="long"))
    board.forget_receipts()
    assert board.find("1") is None
    assert board.find("2") is running
    may_end.set()
    wait(running)
    kept = board.start(replace(ORDER, job_id="3"))
    wait(kept)
    assert board.find("2") is None
    assert board.find("3") is kept
