"""The work of a console in processes of its own: it gives the receipt of the step, and is ended."""

from __future__ import annotations

from pathlib import Path

from conftest import CHEAP, Cluster
from support.states import THREE_VERSIONS, in_state

from streamflow.console.job_process import ChildProcesses
from streamflow.console.jobs import JobOrder, Message
from streamflow.platform import Platform
from streamflow.steps.upkeep.console_actions import list_actions
from streamflow.steps.versions.reproduce import reproduce


def flags_of(platform: Platform) -> dict[str, str]:
    settings = platform.settings
    assert settings.database_url is not None
    names = [*CHEAP, *THREE_VERSIONS.settings, "home", "mlflow_database"]
    return {
        **{name: str(getattr(settings, name)) for name in names},
        "database_url": settings.database_url.get_secret_value(),
    }


def test_a_process_reproduces_and_another_one_is_ended(
    cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    with in_state(cluster, THREE_VERSIONS, simulated_drops, tmp_path / "home") as platform:
        processes = ChildProcesses(flags_of(platform))
        messages: list[Message] = []
        order = JobOrder(
            kind="reproduce", arguments={"version": 2}, subject="version 2", who="ada (key 1)"
        )
        processes.launch(order, messages.append)
        [receipt] = [message["receipt"] for message in messages if "receipt" in message]
        expected = reproduce(platform, "2")
        assert receipt["result"] == expected.result
        assert [level["verdict"] for level in receipt["levels"]] == [
            level.verdict for level in expected.levels
        ]
        assert any("training" in message.get("line", "") for message in messages)
        [action] = list_actions(platform, limit=5)
        assert (action.who, action.state, action.outcome) == (
            "ada (key 1)",
            "done",
            expected.result,
        )
        # The console stops while a job runs: its process is ended, and the job fails.
        messages.clear()
        again = JobOrder(
            kind="compare", arguments={"version": 1, "other": 2}, subject="versions", who=""
        )

        def stop(message: Message) -> None:
            messages.append(message)
            if "line" in message:
                processes.close()

        processes.launch(again, stop)
        # A library that is just being imported can lose the signal: then the process is killed.
        problems = {
            "the console was stopped": "failed",
            "its process was ended by signal 9": "started",
        }
        newest = list_actions(platform, limit=1)[0]
        assert (newest.action, newest.state) == ("compare", problems[messages[-1]["problem"]])
