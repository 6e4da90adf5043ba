"""How the command line ends: after Ctrl-C, and when the system refuses a path."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.command import called

from streamflow.__main__ import INTERRUPTED
from streamflow.cli.flow_server import show_progress_only
from streamflow.cli.last_errors import explain_system_error, was_interrupted
from streamflow.errors import ContractViolation, DiskFull

# A command line that gets Ctrl-C when it imports a module of ours.
INTERRUPTED_IMPORT = """
import os, signal, sys

class InterruptingFinder:
    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, InterruptingFinder())
sys.argv = ["streamflow", "simulate", "data"]
from streamflow.__main__ import main
main()
"""


# Ctrl-C in an `exec` of a text, after which Python itself would end by the signal. A thread of a
# compiled library is at work, and a folder waits for its deletion.
INTERRUPTED_TEXT = """
import atexit, hashlib, os, signal, sys, threading

def hash_much():
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**30)

class InterruptingFinder:
    def find_spec(self, name, path=None, target=None):
        if name == "streamflow.cli.app":
            threading.Thread(target=hash_much, daemon=True).start()
            exec("os.kill(os.getpid(), signal.SIGINT)")

sys.meta_path.insert(0, InterruptingFinder())
from streamflow.__main__ import main
atexit.register(print, "closed")
main()
"""


def test_ctrl_c_ends_the_process_at_once_and_closes_what_is_open() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_TEXT], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (130, "closed\n")
    assert ended.stderr == f"{INTERRUPTED}\n"


@pytest.mark.parametrize("module", ["streamflow.cli.app", "streamflow.steps.data.simulate"])
def test_ctrl_c_is_one_line(module: str) -> None:
    """The first module is imported before the command is known, the second by the command."""
    code = f"MODULE = {module!r}\n{INTERRUPTED_IMPORT}"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 130
    assert ended.stderr == f"{INTERRUPTED}\n"


def test_an_interrupt_is_found_behind_an_error_of_closing() -> None:
    error = OSError("the connection is closed")
    error.__context__ = KeyboardInterrupt()
    assert was_interrupted(error)
    end = SystemExit(130)
    end.__cause__ = KeyboardInterrupt()
    assert was_interrupted(end)


def test_an_exit_is_no_interrupt() -> None:
    end = SystemExit(0)
    end.__context__ = KeyboardInterrupt()
    assert not was_interrupted(end)
    assert not was_interrupted(ValueError("a mistake"))


@pytest.mark.parametrize("command", [["models"], ["up"], ["worker"], ["status"], ["settings"]])
@pytest.mark.parametrize("below", ["", "below"])
def test_a_home_that_is_no_folder_is_refused(
    tmp_path: Path, command: list[str], below: str
) -> None:
    (tmp_path / "file").touch()
    said = called(tmp_path / "file" / below, *command)
    assert said.returncode == 5
    assert said.stderr.startswith(f"error: setting 'home': {tmp_path}/file is not a folder\n")


def test_a_home_that_is_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    assert called(tmp_path / "link", "models").returncode == 5


@pytest.mark.parametrize("command", ["run", "ingest"])
def test_a_drop_that_is_not_there_starts_nothing(tmp_path: Path, command: str) -> None:
    said = called(tmp_path / "home", command, "absent", "--as-of", "2024-01-31")
    assert said.returncode == ContractViolation.exit_code
    assert said.stderr.splitlines()[0] == "error: absent: no such folder"
    assert not (tmp_path / "home").exists()


def test_what_the_system_refuses_is_explained() -> None:
    refused = OSError(errno.EACCES, os.strerror(errno.EACCES), "/srv/churn/postgres.lock")
    explained = explain_system_error(refused)
    assert explained is not None
    assert explained.message == "/srv/churn/postgres.lock: Permission denied"
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/srv/churn/tmp/1")
    assert isinstance(explain_system_error(full), DiskFull)
    without_a_name = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as `write` raises it
    assert isinstance(explain_system_error(without_a_name), DiskFull)
    assert explain_system_error(FileNotFoundError(errno.ENOENT, "no", "x")) is None
    assert explain_system_error(ValueError("a mistake")) is None


def test_only_our_progress_and_prefects_own_warnings_are_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler()])
    lines: list[str] = []
    show_progress_only(lines.append, mark="is_ours")
    of_a_run = logging.getLogger("prefect.task_runs")
    monkeypatch.setattr(of_a_run, "handlers", [])  # Prefect's own sends lines to its server
    of_a_run.warning("checking month_000: %d rows", 3, extra={"is_ours": True})
    of_a_run.error("Finished in state Failed('…')")
    of_a_run.warning("Beginning flow run")
    logging.getLogger("prefect.client").warning("the server does not answer")
    assert lines == ["checking month_000: 3 rows", "prefect.client: the server does not answer"]


def test_full_folders_for_temporary_files_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python tries each of them, and reports a missing file."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/absent", "/full"])
    with pytest.raises(FileNotFoundError) as error:
        tempfile.gettempdir()
    explained = explain_system_error(error.value)
    assert explained is not None
    assert "['/absent', '/full']" in explained.message
    assert "TMPDIR" in explained.remedy
