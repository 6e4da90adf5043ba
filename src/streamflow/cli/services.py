"""Commands on running services: down, status, logs, worker."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli.context import format_time, invocation, print_table, print_text, show
from streamflow.cli.options import JsonFlag
from streamflow.errors import ServiceFailed

if TYPE_CHECKING:
    from streamflow.services.running_stack import Stack
    from streamflow.services.supervision import Supervisor
    from streamflow.web.service_condition import Condition

# How often a worker asks Prefect for runs that are due, unless the inbox needs it more often. It
# is Prefect's own interval.
MAX_POLL_INTERVAL_S = 10

NOTHING_IS_UP = "nothing is up here; start the services with 'streamflow up'"
Service = Annotated[
    str, typer.Argument(help="The service, as 'status' names it.", metavar="SERVICE")
]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("down")(down)
    app.command("status")(status)
    app.command("logs")(logs)
    app.command("worker")(worker)


def open_supervisor(home: Path) -> Supervisor:
    """Return the supervisor of the services that run in this state folder."""
    from streamflow.services.running_stack import is_up
    from streamflow.services.supervision import Supervisor

    return Supervisor(home, lambda: is_up(home))


def print_services(stack: Stack, supervisor: Supervisor) -> list[Condition]:
    """Print a table of the services, and return their conditions."""
    from streamflow.services.health import find_conditions

    service_conditions = find_conditions(stack, supervisor)
    rows = [
        (
            condition.service,
            condition.state,
            format_time(condition.since),
            condition.pid or "",
            condition.address,
            condition.restarts,
            condition.note,
        )
        for condition in service_conditions
    ]
    header = ("service", "state", "since (UTC)", "pid", "address", "restarts", "note")
    print_table("Services", header, rows)
    sys.stdout.flush()
    return service_conditions


def down(context: typer.Context) -> None:
    """Stop all services, and wait until they have stopped.

    No data is lost.

    Example: streamflow down
    """
    from streamflow.services.running_stack import is_up

    home = invocation(context).settings().home.absolute()
    if not is_up(home):
        print("[OK] nothing was up")
        return
    open_supervisor(home).stop()
    print("[OK] all services have stopped")


def status(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Show the state and the address of each service.

    The exit code is 1 if a service is not up, or if nothing is up.

    Example: streamflow status --json
    """
    from streamflow.services.health import find_conditions
    from streamflow.services.running_stack import read_running_stack

    home = invocation(context).settings().home.absolute()
    stack = read_running_stack(home)
    if stack is None:
        if as_json:
            show({"services": []}, as_json=True, text=str)
        print(NOTHING_IS_UP, file=sys.stderr)
        raise typer.Exit(1)
    supervisor = open_supervisor(home)
    if as_json:
        service_conditions = find_conditions(stack, supervisor)
        show({"services": service_conditions}, as_json=True, text=str)
    else:
        service_conditions = print_services(stack, supervisor)
    if any(condition.state != "up" for condition in service_conditions):
        raise typer.Exit(1)


def logs(
    context: typer.Context,
    service: Service,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many of the last lines to print.")
    ] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Also print new lines, until Ctrl-C.")
    ] = False,
) -> None:
    """Print the end of the log of a service.

    This also works after the service has stopped. 'supervisor' is the log of the supervisor, which
    starts the services.

    Example: streamflow logs mlflow --follow
    """
    from streamflow.services.logs import follow_logs
    from streamflow.services.processes import read_last_lines
    from streamflow.services.programs import PROGRAMS_BY_NAME
    from streamflow.services.supervision import log_file

    names = [*PROGRAMS_BY_NAME, "supervisor"]
    if service not in names:
        raise typer.BadParameter(
            f"there is no service '{service}'; choose one of {', '.join(names)}",
            param_hint="SERVICE",
        )
    log = log_file(invocation(context).settings().home.absolute(), service)
    if not log.is_file():
        raise ServiceFailed(
            f"{log}: no such file: {service} has not been started here yet",
            state="Nothing was changed.",
            remedy="Run 'streamflow up'.",
        )
    if lines:
        print_text(read_last_lines(log, lines))
    if follow:
        follow_logs({service: log}, lambda _, line: print_text(line), lambda: True)


def worker(context: typer.Context) -> None:
    """Run the flows that Prefect starts, by hand or on a schedule.

    The flows are 'monthly', 'train', 'inbox' and 'train_and_compare'. They can be started in the UI
    of Prefect's server. The server is the one of PREFECT_API_URL, or of 'streamflow up'. 'inbox'
    has a schedule if the setting inbox names a folder, 'train_and_compare' if retrain_every is set.

    Example: PREFECT_API_URL=http://127.0.0.1:4200/api streamflow worker
    """
    from streamflow.settings import temporary_environment, vendors_environment

    call = invocation(context)
    settings = call.settings()
    home = settings.home.absolute()
    url = _find_prefect_server(home)
    scratch = home / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    poll_interval_s = min(settings.inbox_every, MAX_POLL_INTERVAL_S)
    environment = {
        **vendors_environment(home),
        "PREFECT_API_URL": url,
        "PREFECT_RUNNER_POLL_FREQUENCY": str(poll_interval_s),
        # Prefect's runner makes a folder with a fixed name in TMPDIR. In a common folder it would
        # meet the folder of a different user, which we may not open.
        "TMPDIR": str(scratch),
    }
    with temporary_environment(environment):
        from streamflow.flow_worker import serve

        serve(
            call.flag_settings,
            inbox_every_s=settings.inbox_every,
            has_inbox=settings.inbox is not None,
            retrain_every_s=settings.retrain_every,
            on_verdict=settings.retrain_on == "verdict",
            months=settings.retrain_months,
        )


def _find_prefect_server(home: Path) -> str:
    """Return the address of Prefect's API: of PREFECT_API_URL, or of 'streamflow up'.

    Raises:
        ServiceFailed: there is no such server.
    """
    from streamflow.services.prefect_server import running_server
    from streamflow.settings import inherited_environment

    url = inherited_environment().get("PREFECT_API_URL") or running_server(home)
    if not url:
        raise ServiceFailed(
            "there is no Prefect server",
            state="Nothing was changed.",
            remedy="Run 'streamflow up', or name the API of a server in PREFECT_API_URL.",
        )
    return url
