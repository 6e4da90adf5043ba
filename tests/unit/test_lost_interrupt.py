"""Ctrl-C in a callback of Python's memory management ends the command, as everywhere else."""

from __future__ import annotations

import signal
import sys
import time
import weakref

import pytest

from streamflow.__main__ import repeat_lost_interrupt


class Interrupted:
    """An object that is interrupted while Python deletes it."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


class Plain:
    """An object without a method of its own."""


@pytest.fixture
def repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", repeat_lost_interrupt)


def delete_and_go_on(held: list[object]) -> None:
    """Delete the only reference to an object, and work for a while."""
    held.clear()
    time.sleep(10)


@pytest.mark.usefixtures("repeated")
def test_an_interrupt_in_a_deletion_is_raised_again() -> None:
    held: list[object] = [Interrupted()]
    with pytest.raises(KeyboardInterrupt):
        delete_and_go_on(held)


@pytest.mark.usefixtures("repeated")
def test_an_interrupt_in_a_weak_reference_is_raised_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    held: list[object] = [Plain()]
    reference = weakref.ref(held[0], lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        delete_and_go_on(held)
    assert reference() is None
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("repeated")
def test_a_different_error_in_a_deletion_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    deleted = Plain()
    reference = weakref.ref(deleted, lambda _: 1 / 0)
    del deleted
    assert reference() is None
    assert "ZeroDivisionError" in capsys.readouterr().err
