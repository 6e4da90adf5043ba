"""The inbox by the command line, through Prefect: once, and on a schedule until Ctrl-C."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import called
from support.processes import alive, run, start, wait_for

from streamflow.steps.data.inbox import QUIET_TIME

SETTLED_S = QUIET_TIME.total_seconds()


@pytest.fixture
def variables(cluster: object, installation: str, tmp_path: Path) -> dict[str, str]:
    """An installation with an empty inbox."""
    (tmp_path / "inbox").mkdir()
    found: dict[str, str] = cluster.variables(installation, tmp_path / "home")  # type: ignore[attr-defined]
    return {**found, "STREAMFLOW_INBOX": str(tmp_path / "inbox")}


def settled(condition: Callable[[], bool] = lambda: False) -> None:
    wait_for(condition, SETTLED_S + 0.5)


def test_each_folder_is_processed_once_and_a_bad_one_is_shown(
    variables: dict[str, str], simulated_drops: Path, tmp_path: Path
) -> None:
    home, inbox = tmp_path / "home", tmp_path / "inbox"
    shutil.copytree(simulated_drops / "month_000", inbox / "january")  # dated by its drop.toml
    (inbox / "2024-02-29").mkdir()
    settled()
    first = run(home, "inbox", extra=variables)
    assert first.returncode == 1, first.stderr
    assert "│ failed" in first.stdout
    assert "processing" in first.stderr, "the flow tells its progress to the log of its run"
    again = run(home, "inbox", "--json", extra=variables)
    receipt = json.loads(again.stdout)
    assert (again.returncode, receipt["processed"]) == (1, [])
    assert "expected a file of the drop, got none" in receipt["drops"][1]["error"]
    assert {d["folder"]: d["status"] for d in receipt["drops"]} == {
        "january": "done",
        "2024-02-29": "failed",
    }
    assert wait_for(lambda: not alive(home), 5.0), alive(home)


def test_a_schedule_picks_up_a_folder_and_ctrl_c_leaves_nothing(
    variables: dict[str, str], simulated_drops: Path, tmp_path: Path
) -> None:
    home, log = tmp_path / "home", tmp_path / "home.log"
    process = start(home, "inbox", "--every", "5", extra=variables)
    try:
        assert wait_for(lambda: "looking into" in log.read_text(), 90.0), log.read_text()
        shutil.copytree(simulated_drops / "month_000", tmp_path / "inbox" / "2024-01-31")
        assert wait_for(lambda: "[OK] 2024-01-31" in log.read_text(), 90.0), (
            home / "logs" / "inbox.log"
        ).read_text()
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=20)
    assert code == 130
    assert wait_for(lambda: not alive(home), 5.0), alive(home)


@pytest.mark.parametrize(
    ("inbox", "said"), [("", "names no folder"), ("absent", "absent: no such folder")]
)
def test_an_inbox_that_is_not_there_is_an_error_with_the_next_step(
    tmp_path: Path, inbox: str, said: str
) -> None:
    done = called(tmp_path / "home", "inbox", extra={"STREAMFLOW_INBOX": inbox} if inbox else None)
    assert done.returncode == 5
    assert said in done.stderr
    assert not (tmp_path / "home").exists()
