"""Commands that check a version against its passport: reproduce, verify."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from streamflow.cli import reproduce_receipts
from streamflow.cli.context import invocation, show
from streamflow.cli.options import Engine, FullCheck, JsonFlag, VersionOrRun


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("reproduce")(reproduce)
    app.command("verify")(verify)


def reproduce(
    context: typer.Context,
    version: VersionOrRun,
    code: Annotated[
        Literal["at-hand", "recorded"],
        typer.Option(
            "--code",
            help="at-hand runs this code. recorded runs the recorded commit, in its own git"
            " worktree and state folder.",
        ),
    ] = "at-hand",
    as_json: JsonFlag = False,
) -> None:
    """Rebuild a version from its passport, and compare.

    The rebuilt version is the same bit for bit, or the command says which of the five levels
    drifted. It changes nothing. Only its verdict is recorded, which 'models VERSION' and the
    console show.

    Exit code 0: identical, or within the declared tolerance. 1: different, or the record of the
    version was changed. 4: the version cannot be rebuilt.

    Example: streamflow reproduce 3

    Example: streamflow reproduce 3 --code recorded
    """
    from streamflow.steps.versions.reproduce import reproduce as reproduce_at_hand
    from streamflow.steps.versions.reproduce_recorded import reproduce_recorded
    from streamflow.steps.versions.reproductions import record_reproduction

    step = reproduce_recorded if code == "recorded" else reproduce_at_hand
    with invocation(context).platform() as platform:
        receipt = step(platform, version)
        record_reproduction(platform, receipt)
    show(receipt, as_json=as_json, text=reproduce_receipts.reproduce)
    raise typer.Exit(0 if receipt.holds else 1)


def verify(
    context: typer.Context,
    version: VersionOrRun,
    full: FullCheck = False,
    engine: Engine = None,
    as_json: JsonFlag = False,
) -> None:
    """Check again that a training set saw no future value.

    Each cell is compared with the frozen rows. The command writes nothing.

    Exit code 0: no wrong value, and the training set and its certificate are the recorded ones.
    1: a value is wrong, or one of the two differs. 4: the training set cannot be rebuilt.

    Example: streamflow verify 3
    """
    from streamflow.steps.versions.verify import verify as step

    with invocation(context).with_flags(engine=engine).platform() as platform:
        receipt = step(platform, version, full=full)
    show(receipt, as_json=as_json, text=reproduce_receipts.verify)
    raise typer.Exit(0 if receipt.holds else 1)
