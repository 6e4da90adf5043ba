"""Commands on the services as a whole: up, down, status, logs, worker."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from streamflow.cli.context import Invocation, JsonFlag, invocation, show, table
from streamflow.errors import ServiceFailed

if TYPE_CHECKING:
    from streamflow.services.health import Condition
    from streamflow.services.running_stack import Stack
    from streamflow.services.supervision import Supervisor

COLOURS = ("cyan", "magenta", "yellow", "blue", "green", "bright_red", "bright_cyan", "white")
POLL_S = 10  # Prefect's own pace of asking for due runs, where the interval is not shorter
NOTHING = "nothing is up here; start the services with 'streamflow up'"
Service = Annotated[
    str, typer.Argument(help="The service, as 'status' names it.", metavar="SERVICE")
]


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    for name, command in (
        ("up", up),
        ("down", down),
        ("status", status),
        ("logs", logs),
        ("worker", worker),
    ):
        app.command(name)(command)


def up(
    context: typer.Context,
    services: Annotated[
        list[str] | None, typer.Argument(help="Only these services.", metavar="[SERVICE]…")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="The address that all services bind to.")
    ] = "127.0.0.1",
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once all are up; 'down' stops them.")
    ] = False,
) -> None:
    """Start all services, show where they are, follow their logs until Ctrl-C; one that dies is started again.

    An empty database is migrated first. A port that is taken is replaced by the next free one.

    Example: streamflow up

    Example: streamflow up prefect worker --host 0.0.0.0
    """
    from streamflow.services.running_stack import claim, current

    call = invocation(context)
    home = call.settings().home.absolute()
    names = _chosen(call, services or [])
    with ExitStack() as closing:
        lock = claim(home)
        if lock is None:
            call.notify(f"up already in {home}")
            stack = current(home)
            if stack is not None:
                _show(stack, _running(home))
            return
        closing.callback(os.close, lock)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that all is closed in its order
        _up(call, home, names, host, lock, detach=detach)


def _chosen(call: Invocation, asked: Sequence[str]) -> list[str]:
    """The services to start: those asked for, with PostgreSQL where they need the embedded one; else all."""
    from streamflow.services.programs import BY_NAME

    embedded = call.settings().database_url is None
    offered = [name for name in BY_NAME if embedded or name != "postgres"]
    for name in asked:
        if name not in offered:
            raise typer.BadParameter(
                f"no service is called {name}; there are {', '.join(offered)}", param_hint="SERVICE"
            )
    if not asked:
        return offered
    database = embedded and any(BY_NAME[name].database for name in asked)
    return [name for name in offered if name in asked or (name == "postgres" and database)]


def _up(
    call: Invocation, home: Path, names: Sequence[str], host: str, lock: int, *, detach: bool
) -> None:
    from streamflow.platform import vendors_environment
    from streamflow.services.programs import BY_NAME
    from streamflow.services.stack_start import start
    from streamflow.services.supervision import detached, supervised
    from streamflow.settings import exported, inherited_environment

    own = {
        f"STREAMFLOW_{name.upper()}": str(Path(value).absolute())
        for name, value in call.given.items()
    }
    own |= {**vendors_environment(home), "STREAMFLOW_HOME": str(home)}
    own["PREFECT_UI_STATIC_DIRECTORY"] = str(
        home / "prefect" / "ui"
    )  # not into the installation, which may be shared
    with ExitStack() as closing:
        closing.enter_context(exported(own))
        platform = None
        if any(BY_NAME[name].database for name in names):
            platform = closing.enter_context(call.platform(migrated=False))
        stack = _stack(call, names, host)
        stack.save(home)

        def prepare() -> None:
            from streamflow.steps.data.migrate import ensure_migrated

            assert platform is not None
            ensure_migrated(platform)
            _ = platform.features  # its files, where another machine's state folder lacks them

        opened = detached if detach else supervised
        with opened(home, stack, inherited_environment(), lock) as supervisor:
            start(stack, supervisor, prepare=prepare, notify=call.notify)
            _show(stack, supervisor)
            if not detach:
                _follow(home, [*names, "supervisor"], supervisor.alive)
                raise ServiceFailed("supervisord ended, and all services with it")


def _stack(call: Invocation, names: Sequence[str], host: str) -> Stack:
    from streamflow.services.programs import BY_NAME
    from streamflow.services.running_stack import Stack, choose_ports
    from streamflow.settings import inherited_environment

    wanted = {p.port: getattr(call.settings(), p.port) for p in BY_NAME.values() if p.port}
    stack = Stack(host=host, ports=choose_ports(names, host, wanted), prefect_url="")
    for program in stack.programs:
        if program.port and wanted[program.port] not in (0, stack.ports[program.name]):
            call.notify(
                f"port {wanted[program.port]} is taken: {program.name} gets {stack.ports[program.name]}"
            )
    prefect = (
        stack.url("prefect", "/api")
        if "prefect" in names
        else inherited_environment().get("PREFECT_API_URL", "")
    )
    if "worker" in names and not prefect:
        raise typer.BadParameter(
            "worker needs the service prefect, or PREFECT_API_URL", param_hint="SERVICE"
        )
    return Stack(host=host, ports=stack.ports, prefect_url=prefect)


def _running(home: Path) -> Supervisor:
    from streamflow.services.running_stack import is_up
    from streamflow.services.supervision import Supervisor

    return Supervisor(home, lambda: is_up(home))


def _show(stack: Stack, supervisor: Supervisor) -> list[Condition]:
    from streamflow.services.health import conditions

    found = conditions(stack, supervisor)
    rows = [
        (
            c.service,
            c.state,
            f"{c.since:%Y-%m-%d %H:%M:%S}" if c.since else "",
            c.pid or "",
            c.address,
            c.restarts,
            c.note,
        )
        for c in found
    ]
    table(
        "Services", ("service", "state", "since (UTC)", "pid", "address", "restarts", "note"), rows
    )
    sys.stdout.flush()
    return found


def _follow(home: Path, names: Sequence[str], alive: Callable[[], bool]) -> None:
    from streamflow.services.logs import follow
    from streamflow.services.supervision import log_file

    console, width = Console(highlight=False), max(map(len, names))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}

    def say(name: str, line: str) -> None:
        console.print(Text(f"{name:{width}} │ ", style=colours[name]) + Text(line), soft_wrap=True)

    follow({name: log_file(home, name) for name in names}, say, alive)


def down(context: typer.Context) -> None:
    """Stop all services and wait for that; nothing is lost.

    Example: streamflow down
    """
    from streamflow.services.running_stack import is_up

    call = invocation(context)
    home = call.settings().home.absolute()
    if not is_up(home):
        print("[OK] nothing was up")
        return
    _running(home).stop()
    print("[OK] all services have stopped")


def status(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Say of each service whether it is well, since when, and where it is; exit code 1 when one is not, or nothing is up.

    Example: streamflow status --json
    """
    from streamflow.services.health import conditions
    from streamflow.services.running_stack import current

    home = invocation(context).settings().home.absolute()
    stack = current(home)
    if stack is None:
        if as_json:
            show({"services": []}, as_json=True, text=str)
        print(NOTHING, file=sys.stderr)
        raise typer.Exit(1)
    if as_json:
        found = conditions(stack, _running(home))
        show({"services": found}, as_json=True, text=str)
    else:
        found = _show(stack, _running(home))
    if any(c.state != "up" for c in found):
        raise typer.Exit(1)


def logs(
    context: typer.Context,
    service: Service,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many of its last lines.")
    ] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is added, until Ctrl-C.")
    ] = False,
) -> None:
    """Print the end of the log of a service, also after it has stopped; 'supervisor' names the supervisor's own.

    Example: streamflow logs mlflow --follow
    """
    from streamflow.services.logs import follow as keep_on
    from streamflow.services.processes import tail
    from streamflow.services.programs import BY_NAME
    from streamflow.services.supervision import log_file

    names = [*BY_NAME, "supervisor"]
    if service not in names:
        raise typer.BadParameter(
            f"no service is called {service}; there are {', '.join(names)}", param_hint="SERVICE"
        )
    log = log_file(invocation(context).settings().home.absolute(), service)
    if not log.is_file():
        raise ServiceFailed(
            f"{log}: no such file: {service} was not started here yet",
            remedy="Run 'streamflow up'.",
        )
    if lines:
        print(tail(log, lines), flush=True)
    if follow:
        keep_on({service: log}, lambda _, line: print(line, flush=True), lambda: True)


def worker(context: typer.Context) -> None:
    """Run flows for Prefect's server: 'monthly', 'train' and 'inbox' can be started from its UI; 'inbox' has a schedule.

    The server is that of PREFECT_API_URL, or of 'streamflow up'. The schedule is kept when the setting 'inbox' names a folder.

    Example: PREFECT_API_URL=http://127.0.0.1:4200/api streamflow worker
    """
    from streamflow.platform import vendors_environment
    from streamflow.services.prefect_server import running_server
    from streamflow.settings import exported, inherited_environment

    call = invocation(context)
    settings = call.settings()
    home = settings.home.absolute()
    url = inherited_environment().get("PREFECT_API_URL") or running_server(home)
    if not url:
        raise ServiceFailed(
            "no server of Prefect is known",
            remedy="Run 'streamflow up', or name its API in PREFECT_API_URL.",
        )
    scratch = home / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    own = {
        **vendors_environment(home),
        "PREFECT_API_URL": url,
        "PREFECT_RUNNER_POLL_FREQUENCY": str(min(settings.inbox_every, POLL_S)),
        "TMPDIR": str(
            scratch
        ),  # Prefect's runner makes a folder of one fixed name there: another user's is closed to us
    }
    with exported(own):
        from streamflow.flows import serve

        serve(
            call.given,
            inbox_every_s=settings.inbox_every,
            has_inbox=settings.inbox is not None,
            retrain_every_s=settings.retrain_every,
            on_verdict=settings.retrain_on == "verdict",
        )
