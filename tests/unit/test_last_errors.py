"""How the command line ends: after Ctrl-C, and when the system refuses a path."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import called

from streamflow import __main__
from streamflow.cli import app
from streamflow.cli.flow_server import hide_tracebacks
from streamflow.cli.last_errors import explain_system_error, was_interrupted
from streamflow.errors import ContractViolation, DiskFull

# A command line whose imports take long, which sends Ctrl-C to itself meanwhile.
INTERRUPTED_IMPORT = """
import os, signal, sys

class SlowImport:
    def find_spec(self, name, path=None, target=None):
        if name == "streamflow.cli.app":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, SlowImport())
from streamflow.__main__ import main
main()
"""


def test_ctrl_c_while_the_imports_run_is_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 130
    assert ended.stderr == f"{__main__.INTERRUPTED}\n"


@pytest.mark.parametrize("during", ["parsing", "command", "closing"])
def test_ctrl_c_in_a_command_is_one_line(
    during: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        if during == "parsing":  # before typer handles Ctrl-C
            raise KeyboardInterrupt
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as interrupt:
            if during == "command":  # as typer ends a command
                raise SystemExit(130) from interrupt
            raise OSError("the connection is closed")  # noqa: B904

    monkeypatch.setattr(app, "app", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as end:
            __main__.main()
    finally:
        signal.signal(signal.SIGINT, handler)
    assert end.value.code == 130
    assert capsys.readouterr().err == f"{__main__.INTERRUPTED}\n"


def test_an_exit_is_no_interrupt() -> None:
    try:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise SystemExit(0)  # noqa: B904
    except SystemExit as end:
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
    assert explain_system_error(FileNotFoundError(errno.ENOENT, "no", "x")) is None
    assert explain_system_error(ValueError("a mistake")) is None


def test_prefect_prints_no_traceback_of_our_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.logging.handlers import PrefectConsoleHandler

    handler = PrefectConsoleHandler()
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    hide_tracebacks()
    for error, is_printed in ((ContractViolation("bad"), False), (ValueError("bad"), True)):
        info = (type(error), error, None)
        record = logging.LogRecord("prefect", logging.ERROR, "", 0, "failed", (), info)
        assert bool(handler.filter(record)) == is_printed
