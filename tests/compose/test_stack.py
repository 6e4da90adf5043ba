"""Test the running stack of compose.yaml.

`make compose-test` starts the stack, runs this file in order, and stops the stack.

The drops are simulated; every command is one of the reference's, or its like.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest
from support.api import Answer, asked

ENVIRONMENT = dict(
    os.environ
)  # before the tests' own is cleaned of settings: ports and project are said by variables
JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)
SERVICES = ("postgres", "mlflow", "prefect", "feast", "api", "console")
OURS = ("mlflow", "prefect", "feast", "api", "console")
PATIENCE_S = 180
API, MLFLOW, PREFECT, FEAST, FEAST_UI = (
    f"http://127.0.0.1:{os.environ.get(f'{name}_PORT', '')}"
    for name in ("API", "MLFLOW", "PREFECT", "FEAST", "FEAST_UI")
)
USERS = 1_500


def compose(*arguments: str) -> str:
    """`docker compose ARGUMENTS`; what it printed."""
    done = subprocess.run(
        ["docker", "compose", *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (
        f"docker compose {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout


def streamflow(*arguments: str) -> str:
    """A command of ours in the container that runs the flows."""
    return compose("exec", "-T", "prefect", "streamflow", "--quiet", *arguments)


def inspected(service: str) -> dict[str, Any]:
    """What the daemon knows of a service's container."""
    container = compose("ps", "-aq", service).strip()
    done = subprocess.run(
        ["docker", "inspect", container],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found


def healthy(*services: str) -> bool:
    """Whether the containers are up and their health checks pass."""
    states = [inspected(service)["State"] for service in services]
    return all(
        state["Status"] == "running" and state["Health"]["Status"] == "healthy" for state in states
    )


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until it is so; the logs of all services where it does not come."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(1)
    pytest.fail(
        f"{what}: not after {PATIENCE_S}"
        f" s\n{compose('ps', '-a')}\n{compose('logs', '--tail', '40')}"
    )


def ready() -> bool:
    """Whether the API can predict."""
    try:
        return asked(f"{API}/ready").status == 200
    except OSError:
        return False


def predicted(key: str) -> Answer:
    """What `/predict` says."""
    return asked(f"{API}/predict", {"user_id": key})


@pytest.fixture(scope="module")
def keys() -> list[str]:
    """Some keys of the newest drop."""
    text = compose("exec", "-T", "prefect", "head", "-21", "/data/month_001/users.csv")
    return [line.split(",")[0] for line in text.splitlines()[1:]]


@pytest.fixture(scope="module")
def state(keys: list[str]) -> Callable[[], dict[str, object]]:
    """What must outlive every restart: frozen revisions, versions, runs, answers."""

    def taken() -> dict[str, object]:
        return {
            "snapshots": json.loads(streamflow("snapshots", "--json")),
            "versions": json.loads(streamflow("models", "--json")),
            "flow runs": sorted(
                run["id"] for run in flow_runs("monthly") if run["state"]["type"] == "COMPLETED"
            ),
            "answers": [
                {name: told for name, told in predicted(key).body.items() if name != "age_days"}
                for key in keys
            ],
        }

    return taken


def flow_runs(flow: str) -> list[dict[str, Any]]:
    """The runs of a flow that Prefect shows."""
    found: Any = asked(
        f"{PREFECT}/api/flow_runs/filter", {"flows": {"name": {"any_": [flow]}}}
    ).body
    return list(found)


def test_all_five_services_are_healthy() -> None:
    assert healthy(*SERVICES)
    assert inspected("init")["State"]["ExitCode"] == 0


def test_a_second_up_changes_nothing() -> None:
    before = {service: inspected(service)["State"]["StartedAt"] for service in SERVICES}
    compose("up", "-d")
    assert {service: inspected(service)["State"]["StartedAt"] for service in SERVICES} == before


def test_a_new_stack_says_what_is_missing() -> None:
    assert asked(f"{API}/health") == Answer(200, {"status": "ok"})
    answer = asked(f"{API}/ready")
    assert answer.status == 503
    assert len(answer.body["reasons"]) == 2


@pytest.mark.parametrize(("month", "as_of"), [("month_000", JANUARY), ("month_001", FEBRUARY)])
def test_the_monthly_flow_runs_in_the_prefect_container(month: str, as_of: date) -> None:
    if month == "month_000":
        streamflow("simulate", "/data", "--users", str(USERS), "--months", "2", "--seed", "7")
    before = len(flow_runs("monthly"))
    receipt = json.loads(streamflow("run", f"/data/{month}", "--as-of", str(as_of), "--json"))
    assert receipt["materialize"]["as_of"].startswith(str(as_of))
    runs = flow_runs("monthly")
    assert len(runs) == before + 1
    assert {run["state"]["type"] for run in runs} == {"COMPLETED"}


def test_features_are_served(keys: list[str]) -> None:
    answer = asked(f"{API}/features/{keys[0]}")
    assert answer.status == 200
    assert len(answer.body["features"]) == 14


def test_feasts_server_and_command_answer_with_the_same_values(keys: list[str]) -> None:
    ours = asked(f"{API}/features/{keys[0]}").body["features"]
    ask = {
        "features": ["subs_profile_fv:monthly_fee", "usage_agg_30d_fv:watch_hours_30d"],
        "entities": {"user_id": [keys[0]]},
    }
    answer = asked(f"{FEAST}/get-online-features", ask).body
    values = dict(
        zip(
            answer["metadata"]["feature_names"],
            (r["values"][0] for r in answer["results"]),
            strict=True,
        )
    )
    assert {name: values[name] for name in ("monthly_fee", "watch_hours_30d")} == {
        name: ours[name] for name in ("monthly_fee", "watch_hours_30d")
    }
    listed = compose(
        "exec",
        "-T",
        "feast",
        "streamflow",
        "--quiet",
        "exec",
        "--",
        "feast",
        "feature-views",
        "list",
    )
    assert "subs_profile_fv" in listed


def test_training_registers_a_version_that_mlflow_shows() -> None:
    text = streamflow("train", "--as-of", str(JANUARY))
    found = re.search(r"\[OK\] .*AUC=(\S+) .*run_id=(\w+) version=(\d+)", text)
    assert found, text
    assert found[3] == "1"
    run = asked(f"{MLFLOW}/api/2.0/mlflow/runs/get?run_id={found[2]}").body["run"]
    metrics = {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}
    assert f"{metrics['auc']:.4f}" == found[1]
    assert run["info"]["artifact_uri"].startswith("mlflow-artifacts:/")
    default = asked(f"{MLFLOW}/api/2.0/mlflow/experiments/get?experiment_id=0").body["experiment"]
    assert default["artifact_location"].startswith(
        "mlflow-artifacts:/"
    )  # whoever made MLflow's tables
    version = asked(
        f"{MLFLOW}/api/2.0/mlflow/model-versions/get?name=streamflow_churn&version=1"
    ).body["model_version"]
    assert version["run_id"] == found[2]


def test_promotion_by_us_is_served(keys: list[str]) -> None:
    streamflow("promote", "1", "--why", "the first")
    wait_for(ready, "/ready")
    answer = predicted(keys[0])
    assert answer.status == 200
    assert answer.body["model"]["version"] == 1
    assert answer.body["prediction"] in (0, 1)
    assert len(answer.body["features_used"]) == 14


def test_a_key_that_nobody_has_is_refused_with_what_is_missing() -> None:
    answer = predicted("999999")
    assert answer.status == 404
    assert len(answer.body["missing_features"]) == 14


def test_promotion_in_mlflows_ui_is_served_without_a_restart(keys: list[str]) -> None:
    streamflow("train", "--as-of", str(FEBRUARY))
    body = {
        "name": "streamflow_churn",
        "version": "2",
        "stage": "Production",
        "archive_existing_versions": True,
    }
    answer = asked(
        f"{MLFLOW}/api/2.0/mlflow/model-versions/transition-stage", body
    )  # what the button of the page sends
    assert answer.status == 200, answer.body
    wait_for(lambda: "outside" in streamflow("ledger"), "the service that reconciles to enter it")
    assert streamflow("ledger", "verify").startswith("[OK] the ledger is intact")
    wait_for(
        lambda: predicted(keys[0]).body.get("model", {}).get("version") == 2,
        "the API to answer with version 2",
    )
    batch = asked(f"{API}/predict/batch", {"user_ids": [keys[0], "999999"]})
    assert batch.status == 200
    assert batch.body["predictions"][0]["probability"] == predicted(keys[0]).body["probability"]
    reasons = asked(f"{API}/explain", {"user_id": keys[0]}).body
    assert (
        abs(
            reasons["base"]
            + sum(c["contribution"] for c in reasons["contributions"])
            - reasons["margin"]
        )
        < 1e-6
    )
    assert "[OK] scored" in streamflow("score", "--as-of", str(FEBRUARY))


def test_a_version_is_made_again_moved_and_pruned_through_mlflows_server() -> None:
    """The MLflow service reads and removes the artifacts: only this service has their folder."""
    assert streamflow("reproduce", "1").splitlines()[-1].startswith("[OK] identical: ")
    assert streamflow("verify", "1").splitlines()[-1].startswith("[OK] ")
    exported = "/tmp/one.version"  # noqa: S108  # within the container
    streamflow("export", "1", exported)
    message = "this version is here already, as streamflow_churn version 1"
    assert message in streamflow("import", exported)
    number = int(version(streamflow("train", "--as-of", str(FEBRUARY), "--label-lead", "0")))
    script = (
        f"import mlflow; mlflow.MlflowClient().delete_model_version('streamflow_churn', '{number}')"
    )
    streamflow("exec", "--", "python", "-c", script)
    assert "the files of 1 run " in streamflow("prune")
    assert "the files of 0 runs" in streamflow("prune")


def version(text: str) -> str:
    """The number in the line that `train` ends with."""
    return text.rsplit("version=", 1)[1].split(maxsplit=1)[0]


def test_a_deployment_runs_a_flow_from_prefects_ui() -> None:
    deployments: Any = asked(f"{PREFECT}/api/deployments/filter", {}).body
    served = {deployment["name"]: deployment for deployment in deployments}
    assert {d["status"] for d in served.values()} == {"READY"}
    assert set(served) >= {"monthly", "train", "inbox"}
    inbox = f"{PREFECT}/api/deployments/{served['inbox']['id']}"
    # A run that the schedule starts meanwhile would take the folder, and ours would be cancelled.
    httpx.post(f"{inbox}/pause_deployment", timeout=20).raise_for_status()
    compose("exec", "-T", "prefect", "cp", "-r", "/data/month_001", "/inbox/2024-02-29")
    time.sleep(6)  # younger folders are taken for being written
    run: Any = asked(f"{inbox}/create_flow_run", {"state": {"type": "SCHEDULED"}}).body
    ended = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    wait_for(lambda: _state(run["id"]) in ended, "the flow run")
    assert _state(run["id"]) == "COMPLETED"
    httpx.post(f"{inbox}/resume_deployment", timeout=20).raise_for_status()
    listed = json.loads(streamflow("inbox", "--json"))
    assert [(drop["folder"], drop["status"]) for drop in listed["drops"]] == [
        ("2024-02-29", "done")
    ]


def _state(run_id: str) -> str:
    return str(asked(f"{PREFECT}/api/flow_runs/{run_id}").body["state"]["type"])


@pytest.mark.parametrize(
    "address", [f"{PREFECT}/runs", f"{MLFLOW}/", f"{FEAST_UI}/"], ids=["prefect", "mlflow", "feast"]
)
def test_a_page_of_a_vendor_is_there(address: str) -> None:
    assert (
        "<script"
        in httpx.get(
            address, headers={"Accept": "text/html"}, follow_redirects=True, timeout=20
        ).text
    )


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_restarts_alone_and_nothing_is_lost(
    service: str, state: Callable[[], dict[str, object]]
) -> None:
    before = state()
    compose("restart", service)
    wait_for(lambda: healthy(*SERVICES) and ready(), f"healthy after a restart of {service}")
    assert state() == before


def test_down_and_up_lose_nothing(state: Callable[[], dict[str, object]]) -> None:
    before = state()
    compose("down")
    compose("up", "-d", "--wait")
    wait_for(ready, "/ready")
    assert state() == before


def test_a_backup_is_restored_into_a_stack_without_state(
    state: Callable[[], dict[str, object]],
) -> None:
    before = state()
    streamflow("backup", "/data/streamflow.zip")
    compose("down")
    for volume in ("postgres", "artifacts", "state"):
        name = f"{ENVIRONMENT['COMPOSE_PROJECT_NAME']}_{volume}"
        subprocess.run(
            ["docker", "volume", "rm", name], env=ENVIRONMENT, capture_output=True, check=True
        )
    compose("up", "-d", "--wait", "postgres")
    compose(
        "run",
        "--rm",
        "-T",
        "--no-deps",
        "--entrypoint",
        "streamflow",
        "prefect",
        "restore",
        "/data/streamflow.zip",
    )
    compose("up", "-d", "--wait")
    wait_for(ready, "/ready")
    after = state()
    assert (
        after.pop("flow runs") == []
    )  # Prefect's own history is no part of a backup where it lies in PostgreSQL
    assert after == {name: value for name, value in before.items() if name != "flow runs"}


def test_what_the_containers_may_and_take() -> None:
    for service in OURS:
        container = inspected(service)
        assert container["HostConfig"]["ReadonlyRootfs"], service
        assert container["HostConfig"]["CapDrop"] == ["ALL"], service
        assert container["Config"]["User"] == "streamflow", service
        assert compose("exec", "-T", service, "id", "-u").strip() == "10001"
    for service in SERVICES:
        assert {
            b["HostIp"]
            for p in inspected(service)["HostConfig"]["PortBindings"].values()
            for b in p
        } == {"127.0.0.1"}
    password = compose("exec", "-T", "api", "cat", "/secrets/postgres_password").strip()
    assert len(password) >= 32
    for service in SERVICES:
        assert password not in json.dumps(inspected(service))
        assert password not in compose("logs", service)


def test_the_user_of_the_dashboards_reads_what_they_show_and_no_key() -> None:
    def asked_as_grafana(query: str) -> subprocess.CompletedProcess[str]:
        script = (
            f"PGPASSWORD=$(cat /secrets/grafana_reader_password) psql -h"
            f" postgres -U grafana -d streamflow -qAtc '{query}'"
        )
        command = ["docker", "compose", "exec", "-T", "postgres", "sh", "-c", script]
        return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)

    assert int(asked_as_grafana("SELECT count(*) FROM streamflow.prediction_overview").stdout) > 0
    refused = asked_as_grafana("SELECT key FROM streamflow.prediction_log LIMIT 1")
    assert "permission denied" in refused.stderr


def test_sizes_are_as_promised(capsys: pytest.CaptureFixture[str]) -> None:
    image = inspected("api")["Image"]
    asked_size = ["docker", "image", "inspect", "-f", "{{.Size}}", image]
    size = int(subprocess.run(asked_size, env=ENVIRONMENT, capture_output=True, check=True).stdout)
    memory = {service: _memory_mb(service) for service in OURS}
    with capsys.disabled():
        print(f"\nimage {size / 1e9:.2f} GB; memory in MB: {memory}")
    assert size <= 2.5e9
    assert memory["api"] <= 600


def _memory_mb(service: str) -> float:
    """What its processes hold, without the page cache: the sum of their proportional shares."""
    script = (
        "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ {s += $2} END {print s / 1024}'"
    )
    return round(float(compose("exec", "-T", service, "sh", "-c", script)))
