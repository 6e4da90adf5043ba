"""Commands that keep an installation going: inbox, doctor."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli.context import Invocation, JsonFlag, invocation, show, table
from streamflow.cli.flow_server import flow_server
from streamflow.errors import ServiceFailed

if TYPE_CHECKING:
    from streamflow.platform import Platform
    from streamflow.steps.data.inbox import InboxDrop, InboxReceipt
    from streamflow.steps.upkeep.doctor import Finding


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    app.command("inbox")(inbox)
    app.command("doctor")(doctor)


def inbox(
    context: typer.Context,
    every: Annotated[
        int | None,
        typer.Option(
            "--every", min=5, metavar="SECONDS", help="Keep looking at this interval, until Ctrl-C."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Process the new folders of the inbox, each once; exit code 1 when one has failed.

    A folder's date is that of its drop.toml, or its name. What has failed is tried again when its content changes.

    Example: STREAMFLOW_INBOX=/srv/drops streamflow inbox

    Example: streamflow inbox --every 300
    """
    from streamflow.services.prefect_server import prefect_server
    from streamflow.services.running_stack import current
    from streamflow.steps.data.inbox import inbox_folder
    from streamflow.steps.data.migrate import ensure_migrated

    call = invocation(context)
    inbox_folder(call.settings())
    stack = current(call.settings().home.absolute())
    if every is not None and stack is not None and "worker" in stack.ports:
        raise typer.BadParameter(
            "the worker of 'up' keeps the schedule here, by STREAMFLOW_INBOX_EVERY",
            param_hint="--every",
        )
    with call.platform(migrated=False) as platform:
        if every is not None:
            with prefect_server(
                platform.environment, platform.home, notify=call.notify, schedules=True
            ) as wait_until_ready:
                ensure_migrated(platform)  # while Prefect's server starts
                wait_until_ready()
                _keep(call, platform, every, as_json)
        with flow_server(call, platform, prepare=partial(ensure_migrated, platform)):
            from streamflow import flows

            receipt = flows.inbox(flags=call.given)
    if as_json:
        show(receipt, as_json=True, text=str)
    else:
        _table(receipt)
    if receipt.failed:
        raise typer.Exit(1)


def _table(receipt: InboxReceipt) -> None:
    rows = [
        (d.folder, d.as_of, d.status, f"{d.at:%Y-%m-%d %H:%M:%S}" if d.at else "", _first_line(d))
        for d in receipt.drops
    ]
    table(f"Inbox {receipt.inbox}", ("folder", "as_of", "status", "at (UTC)", "error"), rows)


def _first_line(drop: InboxDrop) -> str:
    return drop.error.partition("\n")[0]


def _keep(call: Invocation, platform: Platform, every: int, as_json: bool) -> None:
    """Let a worker on a tether keep the schedule, and say what becomes of each folder, until Ctrl-C."""
    from streamflow.services.processes import running
    from streamflow.settings import inherited_environment
    from streamflow.steps.data.inbox import listing

    log = platform.home / "logs" / "inbox.log"
    flags = [part for name, value in call.given.items() for part in (f"--{name}", value)]
    command = [sys.executable, "-m", "streamflow", *flags, "worker"]
    environment = {**inherited_environment(), "STREAMFLOW_INBOX_EVERY": str(every)}
    told: dict[str, datetime | None] = {}
    with running(command, environment=environment, log=log) as child:
        call.notify(
            f"looking into {call.settings().inbox} every {every} s, until Ctrl-C; the log is {log}"
        )
        while child.poll() is None:
            for drop in listing(platform, datetime.now(UTC)):
                if drop.at and told.get(drop.folder) != drop.at:
                    told[drop.folder] = drop.at
                    show(drop, as_json=as_json, text=_line)
            sys.stdout.flush()
            time.sleep(1)
    raise ServiceFailed(
        f"the schedule of the inbox ended with code {child.returncode}; its log is {log}"
    )


def _line(drop: InboxDrop) -> str:
    mark = "[OK]" if drop.status == "done" else f"[{drop.status.upper()}]"
    return f"{mark} {drop.folder} as_of={drop.as_of or 'unknown'} {_first_line(drop)}".rstrip()


def doctor(
    context: typer.Context,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix", help="Mend what can be mended without losing anything, and look again."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check what this installation needs; exit code 1 when something is wrong.

    Example: streamflow doctor --fix
    """
    from streamflow.steps.upkeep.doctor import doctor as step
    from streamflow.steps.upkeep.doctor import mend

    call = invocation(context)
    settings, now = call.settings(), partial(datetime.now, UTC)
    findings, done = step(settings, now=now), []
    if fix and (done := mend(settings, findings, call.notify)):
        findings = step(settings, now=now)
    if as_json:
        show({"findings": findings, "done": done}, as_json=True, text=str)
    else:
        for words in done:
            print(f"[FIXED] {words}" if not words.startswith("stopped") else words)
        rows = [(_mark(f), f.subject, f.found, "" if f.ok else f.remedy) for f in findings]
        table("Doctor", ("", "what", "found", "what to do"), rows)
    if not all(f.ok for f in findings):
        raise typer.Exit(1)


def _mark(finding: Finding) -> str:
    return "ok" if finding.ok else "WRONG, --fix can" if finding.fixable else "WRONG"
