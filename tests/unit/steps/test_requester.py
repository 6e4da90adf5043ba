"""Who asks for a change, where the operating system has no name for it."""

from __future__ import annotations

import getpass
import os
from typing import NoReturn

import pytest

from streamflow.steps.stages.requester import Requester


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_process_without_a_login_name_is_named_by_its_number(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> NoReturn:
        raise error

    monkeypatch.setattr(getpass, "getuser", fail)
    assert Requester().name == f"user {os.getuid()}"
    assert Requester(who="ada (key 1)").name == "ada (key 1)"
