"""Ctrl-C ends a command, also where Python or a library loses it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from streamflow.interrupts import REPEAT_AFTER_S, repeated_until_seen, stop_repeating


class Interrupted:
    """An object that is interrupted while Python deletes it."""

    def __del__(self) -> None:
        press_ctrl_c()


class Plain:
    """An object without a method of its own."""


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def work() -> None:
    time.sleep(10)


def run(command: Callable[[], None]) -> None:
    with repeated_until_seen():
        command()


def delete_and_work(held: list[object]) -> None:
    held.clear()
    work()


def test_an_interrupt_in_a_deletion_is_raised_again() -> None:
    held: list[object] = [Interrupted()]
    with pytest.raises(KeyboardInterrupt):
        run(lambda: delete_and_work(held))


def test_an_interrupt_in_a_weak_reference_is_raised_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    held: list[object] = [Plain()]
    reference = weakref.ref(held[0], lambda _: press_ctrl_c())
    with pytest.raises(KeyboardInterrupt):
        run(lambda: delete_and_work(held))
    assert reference() is None
    assert capsys.readouterr().err == ""


def test_a_different_error_in_a_deletion_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    deleted = Plain()
    reference = weakref.ref(deleted, lambda _: 1 / 0)
    with repeated_until_seen():
        del deleted
    assert reference() is None
    assert "ZeroDivisionError" in capsys.readouterr().err


def catch_everything_and_work() -> None:
    """Do what compiled libraries do when they are imported."""
    for _ in range(3):
        try:
            press_ctrl_c()
            work()
        except:  # noqa: E722, S110 - this is what the library does
            pass
    work()


def test_an_interrupt_that_a_library_catches_is_raised_again() -> None:
    with pytest.raises(KeyboardInterrupt):
        run(catch_everything_and_work)


@contextmanager
def slow_to_close(closed: list[str]) -> Iterator[None]:
    try:
        yield
    finally:
        try:
            os.close(-1)
        except OSError:
            time.sleep(3 * REPEAT_AFTER_S)
        time.sleep(3 * REPEAT_AFTER_S)
        closed.append("generator")


class SlowToClose:
    """A context manager whose end takes longer than the timer waits."""

    def __init__(self, closed: list[str]) -> None:
        self.closed = closed

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        time.sleep(3 * REPEAT_AFTER_S)
        self.closed.append("class")


def close_slowly(closed: list[str]) -> None:
    try:
        with slow_to_close(closed), SlowToClose(closed):
            press_ctrl_c()
    finally:
        time.sleep(3 * REPEAT_AFTER_S)
        closed.append("finally")


def test_what_is_closed_because_of_the_interrupt_is_closed_to_its_end() -> None:
    closed: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run(lambda: close_slowly(closed))
    assert closed == ["class", "generator", "finally"]


def test_an_interrupt_that_was_dealt_with_is_not_raised_again() -> None:
    with repeated_until_seen():
        try:
            press_ctrl_c()
        except KeyboardInterrupt:
            stop_repeating()
        time.sleep(3 * REPEAT_AFTER_S)


def test_an_alarm_that_was_on_its_way_does_not_start_the_timer_again() -> None:
    with repeated_until_seen():
        try:
            press_ctrl_c()
        except KeyboardInterrupt:
            stop_repeating()
            signal.raise_signal(signal.SIGALRM)
        time.sleep(3 * REPEAT_AFTER_S)


def test_a_command_without_an_output_ends_with_its_code_and_without_a_traceback() -> None:
    program = "from streamflow.interrupts import end_process; end_process(130)"
    command = 'exec "$0" -c "$1" >&-'
    ended = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, program], capture_output=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (130, b"")


def test_an_ignored_interrupt_stays_ignored() -> None:
    """A shell ignores Ctrl-C for the commands in its background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with repeated_until_seen():
            press_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_afterwards_everything_is_as_before() -> None:
    former_hook = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt):
        run(press_ctrl_c)
    time.sleep(3 * REPEAT_AFTER_S)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert sys.unraisablehook is former_hook
