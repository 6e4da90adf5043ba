"""The command that serves the console: console."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from streamflow.cli.context import invocation

Host = Annotated[
    str | None,
    typer.Option("--host", help="The address to bind to (STREAMFLOW_CONSOLE_HOST)."),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port",
        min=0,
        max=65535,
        help="The port (STREAMFLOW_CONSOLE_PORT). 0 means any free port.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("console")(console)


def console(context: typer.Context, host: Host = None, port: Port = None) -> None:
    """Serve web pages: the users at risk and why, one user, the portfolio, versions and drops.

    By default only this machine can open the pages. With --host, other machines can open them,
    and people log in with an API key. 'streamflow keys create NAME --scope read' makes a key.

    Example: streamflow console

    Example: streamflow console --host 0.0.0.0 --port 8400
    """
    from streamflow.services.prefect_server import find_server_address
    from streamflow.services.processes import require_port, web_address
    from streamflow.services.surroundings import make_surroundings

    call = invocation(context)
    call = replace(call, flags={**call.flags, "console_host": host, "console_port": port})
    settings = call.settings()
    from streamflow.console.job_process import ChildProcesses
    from streamflow.console.server import require_keys_off_loopback, serve_console

    require_keys_off_loopback(settings, settings.console_host)
    bound_port = require_port(settings.console_host, settings.console_port)
    from streamflow.warehouse.roles import CONSOLE

    # A job must not find the variables that this platform sets for its own role.
    processes = ChildProcesses(call.flag_settings)
    with call.platform(role=CONSOLE) as platform:
        address = web_address(settings.console_host, bound_port)
        call.notify(f"{address}  (Ctrl-C stops the console)")
        serve_console(
            platform,
            settings.console_host,
            bound_port,
            find_flow_server=partial(find_server_address, platform.home),
            surroundings=make_surroundings(settings, platform.home),
            processes=processes,
        )
