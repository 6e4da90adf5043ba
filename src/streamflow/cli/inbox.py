"""The command that processes the drops in a folder: inbox."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from streamflow.cli.context import Invocation, format_time, invocation, print_table, show
from streamflow.cli.flow_server import flow_server, prefect_server_ready
from streamflow.cli.options import JsonFlag
from streamflow.errors import ServiceFailed

if TYPE_CHECKING:
    from streamflow.platform import Platform
    from streamflow.steps.data.inbox import InboxDrop, InboxReceipt

# How often the command looks for folders that the worker has processed.
POLL_INTERVAL_S = 1

Interval = Annotated[
    int | None,
    typer.Option(
        "--every",
        min=5,
        metavar="SECONDS",
        help="Look again at this interval, until Ctrl-C.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("inbox")(inbox)


def inbox(
    context: typer.Context,
    every: Interval = None,
    as_json: JsonFlag = False,
) -> None:
    """Process the new drops in the inbox folder, each once.

    The setting inbox names the folder. The date of a drop is in its drop.toml, or is its folder's
    name. A drop that failed is tried again when its content changes. The exit code is 1 if a drop
    failed.

    Example: STREAMFLOW_INBOX=/srv/drops streamflow inbox

    Example: streamflow inbox --every 300
    """
    from streamflow.steps.data.inbox import inbox_folder
    from streamflow.steps.data.migrate import ensure_migrated

    call = invocation(context)
    inbox_folder(call.settings())
    if every is not None:
        _refuse_second_schedule(call)
    with call.platform(migrated=False) as platform:
        migrate = partial(ensure_migrated, platform)
        if every is not None:
            with prefect_server_ready(call, platform, prepare=migrate, schedules=True):
                _follow_schedule(call, platform, every, as_json=as_json)
        with flow_server(call, platform, prepare=migrate):
            from streamflow import flows

            receipt = flows.inbox(flags=call.flag_settings)
    if as_json:
        show(receipt, as_json=True, text=str)
    else:
        _print_receipt(receipt)
    if receipt.failed:
        raise typer.Exit(1)


def _refuse_second_schedule(call: Invocation) -> None:
    """Raise BadParameter if the worker of `streamflow up` already has the schedule."""
    from streamflow.services.running_stack import read_running_stack

    stack = read_running_stack(call.settings().home.absolute())
    if stack is not None and "worker" in stack.ports:
        raise typer.BadParameter(
            "the worker of 'up' keeps the schedule here, by STREAMFLOW_INBOX_EVERY",
            param_hint="--every",
        )


def _print_receipt(receipt: InboxReceipt) -> None:
    rows = [
        (drop.folder, drop.as_of, drop.status, format_time(drop.at), _first_line(drop.error))
        for drop in receipt.drops
    ]
    header = ("folder", "as_of", "status", "at (UTC)", "error")
    print_table(f"Inbox {receipt.inbox}", header, rows)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _follow_schedule(
    call: Invocation,
    platform: Platform,
    interval_s: int,
    *,
    as_json: bool,
) -> NoReturn:
    """Start a worker that has the schedule, and print what it does with each folder.

    This ends with Ctrl-C, and the worker with it. Raises ServiceFailed if the worker ends before.
    """
    from streamflow.services.processes import running
    from streamflow.settings import inherited_environment
    from streamflow.steps.data.inbox import list_inbox

    log = platform.home / "logs" / "inbox.log"
    command = [sys.executable, "-P", "-m", "streamflow", *call.flag_arguments(), "worker"]
    environment = {**inherited_environment(), "STREAMFLOW_INBOX_EVERY": str(interval_s)}
    printed_at: dict[str, datetime] = {}
    with running(command, environment=environment, log=log) as child:
        call.notify(
            f"looking into {call.settings().inbox} every {interval_s} s, until Ctrl-C;"
            f" the log is {log}"
        )
        while child.poll() is None:
            for drop in list_inbox(platform, datetime.now(UTC)):
                if drop.at and printed_at.get(drop.folder) != drop.at:
                    printed_at[drop.folder] = drop.at
                    show(drop, as_json=as_json, text=_format_drop)
            sys.stdout.flush()
            time.sleep(POLL_INTERVAL_S)
    raise ServiceFailed(
        f"the worker of the inbox ended with code {child.returncode}; its log is {log}"
    )


def _format_drop(drop: InboxDrop) -> str:
    mark = "[OK]" if drop.status == "done" else f"[{drop.status.upper()}]"
    as_of = drop.as_of or "unknown"
    return f"{mark} {drop.folder} as_of={as_of} {_first_line(drop.error)}".rstrip()
