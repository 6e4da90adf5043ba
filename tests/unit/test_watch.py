"""The API's look at the registry goes on, whatever happens to one question."""

from __future__ import annotations

import pytest
from support.processes import wait_for

from streamflow.api import watch
from streamflow.errors import DatabaseUnavailable


def test_an_error_is_said_and_the_next_question_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY_S", 0.01)
    said: list[tuple[str, ...]] = []
    outcomes = iter([DatabaseUnavailable("away"), ValueError("a key"), ["apart"]])

    def ask() -> list[str]:
        said.append(looked.notes)
        outcome = next(outcomes, ["settled"])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    looked = watch.Watch(ask)
    looked.start()
    assert wait_for(lambda: looked.notes == ("settled",), seconds=10)
    looked.stop()
    assert said[:4] == [(), ("the registry cannot be asked: away",), ("the registry cannot be asked: ValueError",), ("apart",)]
