"""The state machine of the data steps, small; `make prove` runs it for thousands of steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from support.machine import make_machine, tiny_text

from streamflow.platform import Platform
from streamflow.steps.data.migrate import migrate


@pytest.fixture
def machine_of(open_with: Callable[..., Platform], tmp_path: Path) -> Platform:
    (tmp_path / "tiny.toml").write_text(tiny_text(), encoding="utf-8")
    platform = open_with(migrated=False, catalog=tmp_path / "tiny.toml")
    migrate(platform)
    return platform


def test_the_steps_agree_with_their_model(machine_of: Platform, tmp_path: Path) -> None:
    machine = make_machine(machine_of, machine_of.login.conninfo(), tmp_path / "drops")
    few = settings(
        max_examples=6, stateful_step_count=12, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=few)
