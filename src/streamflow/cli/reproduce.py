"""Commands that hold a version against its passport: reproduce, verify."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from streamflow.cli import reproduce_receipts
from streamflow.cli.context import JsonFlag, invocation, show

Which = Annotated[
    str,
    typer.Argument(
        help="A model version, as 'streamflow models' lists it, or the id of its run.",
        metavar="VERSION|RUN_ID",
    ),
]
Full = Annotated[
    bool,
    typer.Option(
        "--full", help="Check every cell of the training set, and no sample above 1 million."
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    for command in (reproduce, verify):
        app.command(command.__name__)(command)


def reproduce(
    context: typer.Context,
    which: Which,
    code: Annotated[
        Literal["at-hand", "recorded"],
        typer.Option(
            "--code",
            help="Run the code at hand, or the recorded commit in a worktree and a state folder of its own.",
        ),
    ] = "at-hand",
    as_json: JsonFlag = False,
) -> None:
    """Make a version again from its passport: bit for bit, or which of the five levels drifted. Nothing is written.

    Exit code 0: identical or within the declared tolerance. 1: differs, or its record was changed. 4: not rebuildable.

    Example: streamflow reproduce 3

    Example: streamflow reproduce 3 --code recorded
    """
    from streamflow.steps.versions.reproduce import reproduce as at_hand
    from streamflow.steps.versions.reproduce_recorded import reproduce_recorded

    step = reproduce_recorded if code == "recorded" else at_hand
    with invocation(context).platform() as platform:
        receipt = step(platform, which)
    show(receipt, as_json=as_json, text=reproduce_receipts.reproduce)
    raise typer.Exit(0 if receipt.holds else 1)


def verify(
    context: typer.Context, which: Which, full: Full = False, as_json: JsonFlag = False
) -> None:
    """Prove again that a version's training set holds no value of the future: each cell against the frozen rows.

    Exit code 0: clean, and set and certificate are the recorded ones. 1: not so. 4: not rebuildable. Nothing is written.

    Example: streamflow verify 3
    """
    from streamflow.steps.versions.verify import verify as step

    with invocation(context).platform() as platform:
        receipt = step(platform, which, full=full)
    show(receipt, as_json=as_json, text=reproduce_receipts.verify)
    raise typer.Exit(0 if receipt.holds else 1)
