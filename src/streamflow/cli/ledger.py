"""Commands on the ledger of stages: ledger, who-served, rollback, reconcile."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from streamflow.cli import lifecycle_receipts
from streamflow.cli.context import (
    Invocation,
    format_time,
    invocation,
    print_table,
    print_text,
    show,
)
from streamflow.cli.options import MAX_NUMBER, JsonFlag, Why, parse_instant
from streamflow.cli.printable import one_line
from streamflow.errors import StreamflowError

if TYPE_CHECKING:
    from streamflow.core.promotion.ledger import Entry
    from streamflow.platform import Platform
    from streamflow.steps.stages.transitions import ReconcileReceipt

LEDGER_HEADER = ("", "at (UTC)", "who", "what", "stage", "from", "to", "why", "evidence")

EntriesBelow = Annotated[
    int | None,
    typer.Option(
        "--below", min=1, max=MAX_NUMBER, help="Only entries with smaller numbers.", metavar="N"
    ),
]
EntryLimit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        min=1,
        max=1000,
        help="At most this many entries, the newest first (default: all, the oldest first).",
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("ledger")(ledger)
    app.command("who-served")(who_served)
    app.command("rollback")(rollback)
    app.command("reconcile")(reconcile)


def ledger(
    context: typer.Context,
    action: Annotated[
        Literal["show", "verify"],
        typer.Argument(help="show lists the entries. verify checks that none was changed."),
    ] = "show",
    below: EntriesBelow = None,
    limit: EntryLimit = None,
    as_json: JsonFlag = False,
) -> None:
    """Show or verify the record of all promotions.

    The ledger says which version had which stage, since when, and why. 'verify' checks that no
    entry was changed or removed. If one was, the exit code is 1, and the command names the first.

    Example: streamflow ledger

    Example: streamflow ledger --limit 10

    Example: streamflow ledger verify
    """
    from streamflow.steps.stages.ledger import verify_ledger

    with invocation(context).platform() as platform:
        if action == "verify":
            verdict = verify_ledger(platform)
            show(verdict, as_json=as_json, text=lifecycle_receipts.ledger_verdict)
            raise typer.Exit(int(verdict.broken is not None))
        entries = _read_entries(platform, below=below, limit=limit)
    if as_json:
        show(entries, as_json=True, text=str)
        return
    rows = [_ledger_row(entry) for entry in entries]
    print_table(f"Ledger of {platform.catalog.model}", LEDGER_HEADER, rows)


def _read_entries(platform: Platform, *, below: int | None, limit: int | None) -> list[Entry]:
    """Read the entries to show: with a limit the newest first, otherwise the oldest first."""
    from streamflow.steps.stages.ledger import read_ledger, read_newest_entries

    if limit is not None:
        return read_newest_entries(platform, below=below, limit=limit)
    entries = read_ledger(platform)
    return [entry for entry in entries if below is None or entry.seq < below]


def _ledger_row(entry: Entry) -> tuple[object, ...]:
    action = f"{entry.action} by force" if entry.forced else entry.action
    return (
        entry.seq,
        format_time(entry.at.astimezone(UTC)),
        one_line(entry.who),
        action,
        entry.stage,
        entry.from_version,
        entry.to_version,
        one_line(entry.why),
        entry.evidence_digest[:12],
    )


def who_served(
    context: typer.Context,
    instant: Annotated[
        datetime,
        typer.Argument(
            parser=parse_instant,
            help="An instant in ISO form. Without a time zone it is UTC.",
            metavar="INSTANT",
        ),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Show which version was in Production at an instant.

    The answer also says since when, and who decided it.

    Example: streamflow who-served 2024-03-01T12:00:00Z
    """
    from streamflow.steps.stages.ledger import find_version_at as step

    with invocation(context).platform() as platform:
        receipt = step(platform, instant)
    show(receipt, as_json=as_json, text=lifecycle_receipts.who_served)


def rollback(context: typer.Context, why: Why = "", as_json: JsonFlag = False) -> None:
    """Put the previous version back into Production.

    Its threshold, calibrator and features come back with it. Call the command again to go back one
    version further.

    Example: streamflow rollback --why "complaints since this morning"
    """
    from streamflow.steps.promotion.rollback import rollback as step

    with invocation(context).platform() as platform:
        receipt = step(platform, why=why)
    show(receipt, as_json=as_json, text=lifecycle_receipts.rollback)


def reconcile(
    context: typer.Context,
    every: Annotated[
        int | None,
        typer.Option(
            "--every",
            min=1,
            metavar="SECONDS",
            help="Repeat after this many seconds, until Ctrl-C.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Record the changes of stages that were made in MLflow.

    The command also completes a promotion that was interrupted, puts back an alias that was moved,
    and sends webhooks again that were not received.

    Example: streamflow reconcile

    Example: streamflow reconcile --every 5
    """
    from streamflow.steps.stages.transitions import reconcile as step
    from streamflow.steps.stages.webhooks import deliver_after_step

    call = invocation(context)
    if every is not None:
        _reconcile_for_ever(call, every, as_json=as_json)
    with call.platform() as platform:
        receipt = step(platform)
        show(receipt, as_json=as_json, text=lifecycle_receipts.reconcile)
        deliver_after_step(platform)


def _reconcile_for_ever(call: Invocation, interval_s: int, *, as_json: bool) -> NoReturn:
    """Reconcile again and again, and print each new entry.

    A problem may end by itself, so it does not end the loop. It is printed once, until a different
    problem follows. As JSON, new entries are a receipt, and so are problems when they change.
    """
    from streamflow.steps.stages.transitions import ReconcileReceipt
    from streamflow.steps.stages.transitions import reconcile as step
    from streamflow.steps.stages.webhooks import deliver_after_step

    printed_problems: tuple[str, ...] = ()
    while True:
        try:
            with call.platform() as platform:
                receipt = step(platform)
                if receipt.entered:
                    _print_news(replace(receipt, unsettled=()), as_json=as_json)
                deliver_after_step(platform)
            problems = receipt.unsettled
        except StreamflowError as error:
            problems = (f"error: {error.message}",)
        if problems != printed_problems:
            _print_news(ReconcileReceipt(entered=(), unsettled=problems), as_json=as_json)
        printed_problems = problems
        time.sleep(interval_s)


def _print_news(receipt: ReconcileReceipt, *, as_json: bool) -> None:
    """Print a receipt as JSON, or a line for each of its entries and problems."""
    if as_json:
        show(receipt, as_json=True, text=str)
        return
    for entry in receipt.entered:
        print_text(lifecycle_receipts.entry(entry))
    for problem in receipt.unsettled:
        print_text(problem)
