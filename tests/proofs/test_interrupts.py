"""Ctrl-C at random moments of a start: one line and exit code 130, and never a traceback."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import start

from streamflow.__main__ import INTERRUPTED
from streamflow.database.embedded import remove_server
from streamflow.platform import open_platform
from streamflow.settings import load_settings
from streamflow.steps.data.migrate import migrate

SEED = 20
# Python itself starts before our first line runs. It prints a traceback for Ctrl-C in this time.
PYTHON_START_S = 0.5
LONGEST_START_S = 12.0
# After Ctrl-C the API that has started ends in the ordinary way.
ORDINARY_END = "Finished server process"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A migrated installation without a version."""
    path = tmp_path_factory.mktemp("interrupts") / "home"
    with open_platform(load_settings(home=path), must_be_migrated=False) as platform:
        migrate(platform)
    yield path
    remove_server(path)


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["models"], ["doctor"]])
def test_ctrl_c_at_any_moment_is_one_line(home: Path, command: list[str]) -> None:
    draw = random.Random(SEED)
    log = home.with_name(f"{home.name}.log")
    for _ in range(25):
        log.write_text("")
        delay_s = draw.uniform(PYTHON_START_S, LONGEST_START_S)
        process = start(home, *command)
        time.sleep(delay_s)
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=60)
        text = log.read_text()
        assert "Traceback" not in text, (delay_s, text)
        assert "not foreseen" not in text, (delay_s, text)
        if code == 130:
            assert text.splitlines()[-1] == INTERRUPTED, (delay_s, text)
        else:  # the command had ended before, or the API had started
            assert code in (0, 1), (delay_s, code, text)
            assert command[0] != "serve" or ORDINARY_END in text, (delay_s, text)
