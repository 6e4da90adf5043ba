"""`up` with every service on the embedded server, from an empty state.

It tests which services run, which ones come back, and what remains.
"""

from __future__ import annotations

import json
import shlex
import signal
import socket
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from support import stock
from support.api import asked
from support.command import called
from support.processes import alive, kill, run, start, wait_for
from support.stack import (
    count_of_flow_runs,
    features_of_feast,
    free_ports,
    is_up,
    kill_9,
    postmaster,
    runs_of_mlflow,
    status,
    stopped,
    url,
)

from streamflow.database.embedded import remove_server
from streamflow.services.running_stack import take_lock
from streamflow.services.supervision import log_file

KEY = "7590-VHVEG"
DAY = ("--as-of", "2024-01-31")
PROMISED_S = 240.0  # far above what is promised: this machine may have other things to do


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    """The port of somebody else."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.fixture(scope="module")
def stack(
    taken: int, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A state folder whose services all run in the background.

    A drop is loaded, and a version is served.
    """
    home = tmp_path_factory.mktemp("up") / "home"
    done = run(home, "up", "--detach", extra={**free_ports(), "STREAMFLOW_API_PORT": str(taken)})
    assert done.returncode == 0, done.stderr
    assert f"port {taken} is taken: api gets" in done.stderr
    loaded = run(home, "run", str(simulated_drops / "month_000"), *DAY)
    assert loaded.returncode == 0, loaded.stderr
    for arguments in (("train", *DAY), ("promote", "1")):
        step = called(home, *arguments, extra={"STREAMFLOW_TREES": "10"})
        assert step.returncode == 0, step.stderr
    yield home
    run(home, "down")
    remove_server(home)


def test_every_service_is_up_and_answers(stack: Path, taken: int) -> None:
    services = status(stack)
    assert list(services) == [
        "prefect",
        "postgres",
        "mlflow",
        "feast",
        "feast-ui",
        "api",
        "console",
        "worker",
        "reconcile",
    ]
    assert {row["state"] for row in services.values()} == {"up"}
    assert services["api"]["address"] != f"http://127.0.0.1:{taken}/docs"
    assert wait_for(lambda: asked(url(services, "api", "/predict"), {"user_id": KEY}).status == 200)
    assert features_of_feast(services, KEY).body["results"][1]["statuses"] == ["PRESENT"]
    assert len(runs_of_mlflow(services).body["runs"]) == 1


def test_the_flows_of_a_command_run_on_the_server_that_is_up(stack: Path) -> None:
    assert count_of_flow_runs(status(stack)) == 1  # that of `run`, in the fixture


def test_the_worker_runs_what_prefect_is_told(stack: Path, simulated_drops: Path) -> None:
    services = status(stack)
    deployment = asked(url(services, "prefect", "/api/deployments/name/monthly/monthly")).body["id"]
    parameters = {"folder": str(simulated_drops / "month_001"), "as_of": "2024-02-29"}
    made = asked(
        url(services, "prefect", f"/api/deployments/{deployment}/create_flow_run"),
        {"parameters": parameters},
    ).body["id"]
    flow_run = url(services, "prefect", f"/api/flow_runs/{made}")
    assert wait_for(lambda: asked(flow_run).body["state_type"] == "COMPLETED", PROMISED_S), asked(
        flow_run
    ).body["state"]
    # The console of the stack shows the run as Prefect's server stores it.
    told = asked(flow_run).body
    page = url(services, "console", "/runs")
    runs = asked(f"{page}?format=json").body
    [shown] = [shown for shown in runs if shown["id"] == made]
    assert (shown["flow"], shown["name"], shown["state"]) == ("monthly", told["name"], "Completed")
    assert shown["seconds"] == pytest.approx(told["total_run_time"], abs=0.01)
    assert datetime.fromisoformat(shown["started_at"]) == datetime.fromisoformat(told["start_time"])
    query = {"logs": {"flow_run_id": {"any_": [made]}}}

    def has_the_whole_log() -> bool:
        """Prefect's client sends the lines of a log some seconds later."""
        lines = asked(f"{page}/{made}?format=json").body["lines"]
        told_lines = asked(url(services, "prefect", "/api/logs/filter"), query).body
        texts = sorted(line["text"] for line in lines)
        return len(texts) > 1 and texts == sorted(line["message"] for line in told_lines)

    assert wait_for(has_the_whole_log, 20.0)
    # The run's page leads to the page of the same run in Prefect.
    html = html_of(f"{page}/{made}")
    assert f'href="{url(services, "prefect", f"/runs/flow-run/{made}")}"' in html


def html_of(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310  # our own address
        html: str = answer.read().decode()
        return html


def test_the_console_shows_what_is_up_and_leads_to_its_pages(stack: Path) -> None:
    services = status(stack)
    shown = asked(url(services, "console", "/serving?format=json")).body
    names = ("service", "state", "since", "address", "restarts")
    rows = [[row[name] for name in names] for row in shown["services"]]
    assert rows == [[row[name] for name in names] for row in services.values()]
    assert (shown["api"]["version"], shown["api"]["reasons"]) == (1, [])
    assert [reload["outcome"] for reload in shown["api"]["reloads"]] == ["swapped"]
    assert shown["pages"] == {
        "mlflow": services["mlflow"]["address"],
        "prefect": services["prefect"]["address"],
        "feast": services["feast-ui"]["address"],
        "api": services["api"]["address"],
    }
    for address in shown["pages"].values():
        assert "<html" in html_of(address).lower(), address
    version = url(services, "console", "/versions/1")
    model = asked(f"{version}?format=json").body["model"]
    html = html_of(version)
    assert f'href="{shown["pages"]["mlflow"]}/#/models/{model}/versions/1"' in html


def test_a_second_up_shows_what_is_up(stack: Path) -> None:
    before = {name: row["pid"] for name, row in status(stack).items()}
    done = run(stack, "up")
    assert done.returncode == 0, done.stderr
    assert "are already up in" in done.stderr
    assert str(before["mlflow"]) in done.stdout
    assert {name: row["pid"] for name, row in status(stack).items()} == before


def test_the_inbox_has_one_schedule(stack: Path, tmp_path: Path) -> None:
    done = run(stack, "inbox", "--every", "5", extra={"STREAMFLOW_INBOX": str(tmp_path)})
    assert (done.returncode, "keeps the schedule here" in done.stderr) == (2, True), done.stderr


def test_the_log_of_a_service_is_shown(stack: Path) -> None:
    log = run(stack, "logs", "api", "--lines", "100000").stdout  # its first line is asked for
    assert "Uvicorn running" in log
    assert len(run(stack, "logs", "prefect", "--lines", "1").stdout.splitlines()) == 1


def test_stock_prefect_lists_shows_runs_cancels_and_deletes(
    stack: Path, simulated_drops: Path
) -> None:
    drop = simulated_drops / "month_001"
    with stock.prefect_client_of(url(status(stack), "prefect", "/api")):
        assert "monthly/monthly" in stock.prefect("deployment", "ls")
        assert "'tags': ['streamflow']" in stock.prefect("deployment", "inspect", "train/train")
        assert "No work pools found" in stock.prefect("work-pool", "ls")
        assert "train_and_compare" in stock.prefect("flow", "ls")

        parameters = ("-p", f"folder={drop}", "-p", "as_of=2024-02-29")
        watch = ("--watch", "--watch-timeout", str(int(PROMISED_S)))
        told = stock.prefect("deployment", "run", "monthly/monthly", *parameters, *watch)
        finished = told.split("UUID: ")[1].split()[0]
        assert "Completed" in told, told
        assert wait_for(
            lambda: "ingest-receipt" in stock.prefect("flow-run", "logs", finished), 20.0
        )
        assert finished in stock.prefect("flow-run", "ls", "--state-type", "COMPLETED")
        artifacts = stock.prefect("artifact", "ls")
        assert {
            f"{step}-receipt" in artifacts for step in ("ingest", "snapshot", "materialize")
        } == {True}
        assert "files.1.rows" in stock.prefect("artifact", "inspect", "ingest-receipt")
        assert "'description': 'finished'" in stock.prefect(
            "artifact", "inspect", "monthly-progress"
        )

        in_an_hour = ("-p", "as_of=2024-01-31", "--start-in", "1 hour")
        later = stock.prefect("deployment", "run", "train/train", *in_an_hour)
        waiting = later.split("UUID: ")[1].split()[0]
        assert "successfully" in stock.prefect("flow-run", "cancel", waiting)
        assert "CANCELLED" in stock.prefect("flow-run", "ls", "--state-type", "CANCELLED")
        stock.prefect("--no-prompt", "flow-run", "delete", waiting)
        assert waiting not in stock.prefect("flow-run", "ls")


def test_stock_mlflow_lists_shows_deletes_and_restores(stack: Path) -> None:
    server = {"MLFLOW_TRACKING_URI": url(status(stack), "mlflow", "")}
    with stock.vendors_on(server):
        assert "streamflow" in stock.mlflow("experiments", "search")
        run_id = stock.mlflow("runs", "list", "--experiment-id", "1").split()[-1]
        assert run_id in stock.mlflow("runs", "describe", "--run-id", run_id)
        assert "passport.json" in stock.mlflow("artifacts", "list", "--run-id", run_id)
        stock.mlflow("runs", "delete", "--run-id", run_id)
        assert run_id not in stock.mlflow("runs", "list", "--experiment-id", "1")
        stock.mlflow("runs", "restore", "--run-id", run_id)
        stock.mlflow("experiments", "delete", "--experiment-id", "1")
        stock.mlflow("experiments", "restore", "--experiment-id", "1")
        assert run_id in stock.mlflow("runs", "list", "--experiment-id", "1")


def test_stock_feast_lists_shows_and_materializes(stack: Path) -> None:
    with stock.vendors_on(variables_of(stack)):
        assert "user" in stock.feast("entities", "list")
        assert "usage_agg_30d_fv" in stock.feast("feature-views", "list")
        assert "months_active" in stock.feast("feature-views", "describe", "subs_profile_fv")
        assert "streamflow_churn" in stock.feast("feature-services", "list")
        assert "subscriptions" in stock.feast("data-sources", "list")
        stock.feast("materialize", "2024-01-01T00:00:00", "2024-03-01T00:00:00")
    assert features_of_feast(status(stack), KEY).body["results"][1]["statuses"] == ["PRESENT"]


def variables_of(home: Path) -> dict[str, str]:
    """The variables that `streamflow env` prints."""
    lines = called(home, "env").stdout.splitlines()
    words = [shlex.split(line) for line in lines if line.startswith("export ")]
    return dict(word.split("=", 1) for _, word in words)


@pytest.mark.parametrize("victim", ["api", "the postmaster"])
def test_what_is_killed_comes_back_with_what_was_there(stack: Path, victim: str) -> None:
    before = status(stack)
    kill_9(postmaster(stack) if victim == "the postmaster" else before[victim]["pid"])

    assert wait_for(
        lambda: restarted(stack, "postgres" if victim == "the postmaster" else victim), PROMISED_S
    )
    assert wait_for(lambda: is_up(stack), PROMISED_S), status(stack)
    ask = url(before, "api", "/predict")
    assert wait_for(
        lambda: asked(ask, {"user_id": KEY}).status == 200, PROMISED_S
    )  # a pool finds its lost connections one by one
    assert len(runs_of_mlflow(before).body["runs"]) == 1


def restarted(home: Path, name: str) -> bool:
    return status(home)[name]["restarts"] == 1


def test_down_leaves_nothing_and_is_idempotent(stack: Path) -> None:
    """The last of those on this stack."""
    assert stopped(stack) == []
    assert run(stack, "down").stdout == "[OK] nothing was up\n"
    done = run(stack, "status", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (1, {"services": []})
    assert "nothing is up here" in done.stderr


def test_a_killed_up_leaves_nothing(home: Path) -> None:
    process = start(home, "up", "prefect", extra=free_ports())
    assert wait_for(lambda: is_up(home), 120.0), home.with_name("home.log").read_text()
    kill(process)
    assert wait_for(lambda: not alive(home), 5.0), alive(home)


def test_a_signal_stops_what_it_started_and_a_crash_before_does_not_matter(home: Path) -> None:
    (home / "run").mkdir(parents=True)
    for name in ("up", "supervisord.pid", "stack.json"):
        (home / "run" / name).write_text("left by a crash")
    every_address = "0.0.0.0"  # noqa: S104  # what a container does
    process = start(home, "up", "prefect", "--host", every_address, extra=free_ports())
    assert wait_for(lambda: is_up(home), 120.0), home.with_name("home.log").read_text()
    assert wait_for(lambda: is_followed(home), PROMISED_S)
    kill_9(status(home)["prefect"]["pid"])
    assert wait_for(lambda: "exited: prefect" in home.with_name("home.log").read_text(), PROMISED_S)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PROMISED_S) == 0
    assert wait_for(lambda: not alive(home), 5.0), alive(home)


def is_followed(home: Path) -> bool:
    """Whether `up` shows by now what is added to a log: a line of ours at each call."""
    with log_file(home, "prefect").open("a") as log:
        log.write("a line of ours\n")
    return "a line of ours" in home.with_name("home.log").read_text()


def test_two_at_once_do_not_both_start(home: Path) -> None:
    lock = take_lock(home)
    assert lock is not None
    done = run(home, "--home", str(home), "up", "prefect")
    assert (done.returncode, "are already up in" in done.stderr) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ("up", "mlfow"),
            2,
            "there is no service 'mlfow'; choose one of prefect, postgres,"
            " mlflow, feast, feast-ui, api, console, worker, reconcile",
        ),
        (("up", "worker"), 2, "worker needs the service prefect, or the variable PREFECT_API_URL"),
        (("logs", "nobody"), 2, "there is no service 'nobody'"),
        (("logs", "api"), 19, "api has not been started here yet"),
        (("worker",), 19, "there is no Prefect server"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = called(tmp_path / "home", *arguments, extra={"COLUMNS": "200"})
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert alive(tmp_path / "home") == []


def test_a_service_that_cannot_start_stops_all_and_shows_its_log(home: Path) -> None:
    extra = {**free_ports(), "PREFECT_API_DATABASE_CONNECTION_URL": "nonsense://"}
    done = run(home, "up", "prefect", "--detach", extra=extra)
    assert done.returncode == 19, done.stderr
    assert "The end of" in done.stderr
    assert "nonsense" in done.stderr
    assert wait_for(lambda: not alive(home), 5.0), alive(home)
