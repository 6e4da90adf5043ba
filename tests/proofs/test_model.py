"""Proof: thousands of steps of the data part agree with a model in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from support.machine import make_machine, tiny_text

from streamflow.platform import Platform
from streamflow.steps.data.migrate import migrate

RUNS, STEPS = 80, 40


def test_thousands_of_steps_agree_with_the_model(
    open_with: Callable[..., Platform], tmp_path: Path
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny_text(), encoding="utf-8")
    platform = open_with(migrated=False, catalog=tmp_path / "tiny.toml")
    migrate(platform)
    machine = make_machine(platform, platform.login.conninfo(), tmp_path / "drops")
    many = settings(
        max_examples=RUNS, stateful_step_count=STEPS, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=many)
    print(f"\n{machine.done:,} steps in {RUNS} runs of the state machine agree with its model")  # type: ignore[attr-defined]
