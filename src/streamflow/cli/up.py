"""The command that starts all services: up."""

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

from streamflow.cli.context import Invocation, invocation
from streamflow.cli.printable import printable
from streamflow.cli.services import open_supervisor, print_services
from streamflow.errors import ServiceFailed

if TYPE_CHECKING:
    from streamflow.platform import Platform
    from streamflow.services.running_stack import Stack

COLOURS = ("cyan", "magenta", "yellow", "blue", "green", "bright_red", "bright_cyan", "white")


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("up")(up)


def up(
    context: typer.Context,
    services: Annotated[
        list[str] | None,
        typer.Argument(help="Start only these services.", metavar="[SERVICE]…"),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="The address that all services bind to.")
    ] = "127.0.0.1",
    detach: Annotated[
        bool,
        typer.Option(
            "--detach", "-d", help="Return as soon as all services are up; 'down' stops them."
        ),
    ] = False,
) -> None:
    """Start all services, and follow their logs until Ctrl-C.

    The command shows the address of each service. A service that ends is started again. An empty
    database is migrated first. If a port is taken, the next free port is used.

    Example: streamflow up

    Example: streamflow up prefect worker --host 0.0.0.0
    """
    from streamflow.services.running_stack import read_running_stack, take_lock

    call = invocation(context)
    home = call.settings().home.absolute()
    names = _choose_services(call, services or [])
    with ExitStack() as closing:
        lock = take_lock(home)
        if lock is None:
            call.notify(f"the services are already up in {home}")
            stack = read_running_stack(home)
            if stack is not None:
                print_services(stack, open_supervisor(home))
            return
        closing.callback(os.close, lock)
        # On SIGTERM everything is closed in its order, as at any other end of the process.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        _start_services(call, home, names, host, lock, detach=detach)


def _choose_services(call: Invocation, requested: Sequence[str]) -> list[str]:
    """Return the services to start, in the order of their start.

    Without a request these are all services. PostgreSQL is added if a requested service needs the
    embedded one.
    """
    from streamflow.services.programs import PROGRAMS_BY_NAME

    is_embedded = call.settings().database_url is None
    offered = [name for name in PROGRAMS_BY_NAME if is_embedded or name != "postgres"]
    for name in requested:
        if name not in offered:
            raise typer.BadParameter(
                f"there is no service '{name}'; choose one of {', '.join(offered)}",
                param_hint="SERVICE",
            )
    if not requested:
        return offered
    chosen = set(requested)
    if is_embedded and any(PROGRAMS_BY_NAME[name].database for name in requested):
        chosen.add("postgres")
    return [name for name in offered if name in chosen]


def _start_services(
    call: Invocation,
    home: Path,
    names: Sequence[str],
    host: str,
    lock: int,
    *,
    detach: bool,
) -> None:
    """Start the services under a supervisor. Unless `detach`, follow their logs until Ctrl-C."""
    from streamflow.services.programs import PROGRAMS_BY_NAME
    from streamflow.services.stack_start import start_stack
    from streamflow.services.supervision import detached, supervised
    from streamflow.settings import inherited_environment, temporary_environment

    with ExitStack() as closing:
        closing.enter_context(temporary_environment(_service_variables(call, home)))
        platform = None
        if any(PROGRAMS_BY_NAME[name].database for name in names):
            platform = closing.enter_context(call.platform(migrated=False))
        stack = _plan_stack(call, names, host)
        stack.save(home)

        def prepare() -> None:
            assert platform is not None
            _prepare_platform(platform)

        open_supervision = detached if detach else supervised
        with open_supervision(home, stack, inherited_environment(), lock) as supervisor:
            start_stack(stack, supervisor, prepare=prepare, notify=call.notify)
            print_services(stack, supervisor)
            if not detach:
                _follow_logs(home, [*names, "supervisor"], supervisor.alive)
                raise ServiceFailed(
                    "supervisord ended, and with it all services",
                    remedy="Run 'streamflow logs supervisor'.",
                )


def _service_variables(call: Invocation, home: Path) -> dict[str, str]:
    """Return the environment variables that the services get in addition to ours."""
    from streamflow.settings import vendors_environment

    variables = {
        f"STREAMFLOW_{name.upper()}": str(Path(value).absolute())
        for name, value in call.flag_settings.items()
        # A catalog that is not here is the one that the state folder remembers.
        if name != "catalog" or Path(value).exists()
    }
    variables |= vendors_environment(home)
    variables["STREAMFLOW_HOME"] = str(home)
    # By default Prefect writes its UI into its installation, which several users may share.
    variables["PREFECT_UI_STATIC_DIRECTORY"] = str(home / "prefect" / "ui")
    return variables


def _prepare_platform(platform: Platform) -> None:
    from streamflow.steps.data.migrate import ensure_migrated

    ensure_migrated(platform)
    # This writes the files of the features, if the state folder comes from a different machine.
    _ = platform.features


def _plan_stack(call: Invocation, names: Sequence[str], host: str) -> Stack:
    """Choose a port for each service, and find Prefect's server."""
    from streamflow.services.programs import PROGRAMS_BY_NAME
    from streamflow.services.running_stack import Stack, choose_ports
    from streamflow.settings import inherited_environment

    settings = call.settings()
    port_settings = [program.port for program in PROGRAMS_BY_NAME.values() if program.port]
    preferred_ports = {name: getattr(settings, name) for name in port_settings}
    stack = Stack(host=host, ports=choose_ports(names, host, preferred_ports), prefect_url="")
    for program in stack.programs:
        if not program.port:
            continue
        preferred_port = preferred_ports[program.port]
        port = stack.ports[program.name]
        if preferred_port not in (0, port):
            call.notify(f"port {preferred_port} is taken: {program.name} gets {port}")
    if "prefect" in names:
        prefect_url = stack.url("prefect", "/api")
    else:
        prefect_url = inherited_environment().get("PREFECT_API_URL", "")
    if "worker" in names and not prefect_url:
        raise typer.BadParameter(
            "worker needs the service prefect, or the variable PREFECT_API_URL",
            param_hint="SERVICE",
        )
    return Stack(host=host, ports=stack.ports, prefect_url=prefect_url)


def _follow_logs(home: Path, names: Sequence[str], is_alive: Callable[[], bool]) -> None:
    """Print the lines of all logs, each with the name of its service in a colour."""
    from streamflow.services.logs import follow_logs
    from streamflow.services.supervision import log_file

    console = Console(highlight=False)
    width = max(map(len, names))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}

    def print_line(name: str, line: str) -> None:
        prefix = Text(f"{name:{width}} │ ", style=colours[name])
        console.print(prefix + Text(printable(line)), soft_wrap=True)

    follow_logs({name: log_file(home, name) for name in names}, print_line, is_alive)
