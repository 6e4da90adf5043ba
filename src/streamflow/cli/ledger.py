"""Commands on the ledger: ledger, who-served, rollback, reconcile."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from streamflow.cli import lifecycle_receipts
from streamflow.cli.context import Invocation, JsonFlag, invocation, parse_instant, show, table
from streamflow.errors import StreamflowError


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    for name, command in (
        ("ledger", ledger),
        ("who-served", who_served),
        ("rollback", rollback),
        ("reconcile", reconcile),
    ):
        app.command(name)(command)


def ledger(
    context: typer.Context,
    action: Annotated[
        Literal["show", "verify"], typer.Argument(help="show the entries, or verify the chain.")
    ] = "show",
    as_json: JsonFlag = False,
) -> None:
    """Show who held which stage, since when and why; or verify that no entry was changed or removed.

    The exit code of verify is 1 when one was; it names the first.

    Example: streamflow ledger

    Example: streamflow ledger verify
    """
    from streamflow.steps.stages.ledger import read_ledger, verify_ledger

    with invocation(context).platform() as platform:
        if action == "verify":
            verdict = verify_ledger(platform)
            show(verdict, as_json=as_json, text=lifecycle_receipts.ledger_verdict)
            raise typer.Exit(int(verdict.broken is not None))
        entries = read_ledger(platform)
    if as_json:
        show(entries, as_json=True, text=str)
        return
    rows = [
        (
            e.seq,
            f"{e.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            e.who,
            e.action + (" by force" if e.forced else ""),
            e.stage,
            "" if e.from_version is None else e.from_version,
            "" if e.to_version is None else e.to_version,
            e.why,
            e.evidence_digest[:12],
        )
        for e in entries
    ]
    table(
        f"Ledger of {platform.catalog.model}",
        ("", "at (UTC)", "who", "what", "stage", "from", "to", "why", "evidence"),
        rows,
    )


def who_served(
    context: typer.Context,
    instant: Annotated[
        datetime,
        typer.Argument(
            parser=parse_instant,
            help="An instant in ISO form; without a zone it is UTC.",
            metavar="INSTANT",
        ),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Say which version was in Production at an instant, since when, and by whose decision.

    Example: streamflow who-served 2024-03-01T12:00:00Z
    """
    from streamflow.steps.stages.ledger import who_served as step

    with invocation(context).platform() as platform:
        receipt = step(platform, instant)
    show(receipt, as_json=as_json, text=lifecycle_receipts.who_served)


def rollback(
    context: typer.Context,
    why: Annotated[str, typer.Option("--why", help="The reason, for the ledger.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Put the former version back into Production, with its threshold, calibrator and features; again, and the one before.

    Example: streamflow rollback --why "complaints since this morning"
    """
    from streamflow.steps.promotion.promote import rollback as step

    with invocation(context).platform() as platform:
        receipt = step(platform, why=why)
    show(receipt, as_json=as_json, text=lifecycle_receipts.rollback)


def reconcile(
    context: typer.Context,
    every: Annotated[
        int | None,
        typer.Option("--every", min=1, help="Again after so many seconds, until Ctrl-C."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Enter what was changed in MLflow by others, complete a promotion that was interrupted, put back a moved alias.

    Example: streamflow reconcile

    Example: streamflow reconcile --every 5
    """
    from streamflow.steps.stages.transitions import reconcile as step

    call = invocation(context)
    if every is not None:
        _for_ever(call, every)
    with call.platform() as platform:
        receipt = step(platform)
    show(receipt, as_json=as_json, text=lifecycle_receipts.reconcile)


def _for_ever(call: Invocation, every_s: int) -> None:
    """What is entered is said, and what goes wrong once, until it is something else: it may pass."""
    from streamflow.steps.stages.transitions import reconcile as step

    said: tuple[str, ...] = ()
    while True:
        try:
            with call.platform() as platform:
                receipt = step(platform)
            for entry in receipt.entered:
                print(lifecycle_receipts.entry(entry), flush=True)
            now = receipt.unsettled
        except StreamflowError as error:
            now = (f"error: {error.message}",)
        for words in now if now != said else ():
            print(words, flush=True)
        said = now
        time.sleep(every_s)
