"""Commands that move versions and remove what none needs: export, import, prune."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamflow.cli import transfer_receipts
from streamflow.cli.context import JsonFlag, invocation, show
from streamflow.cli.reproduce import Which


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    app.command("export")(export)
    app.command("import")(import_)
    app.command("prune")(prune)


def export(
    context: typer.Context,
    which: Which,
    file: Annotated[
        Path, typer.Argument(help="The file to write, such as churn-3.version.", metavar="FILE")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a version into one file, with its passport and the frozen rows that it was made from.

    It holds personal data, and is readable by you alone.

    Example: streamflow export 3 churn-3.version
    """
    from streamflow.steps.versions.export import export as step

    with invocation(context).platform() as platform:
        receipt = step(platform, which, file, force=force)
    show(receipt, as_json=as_json, text=transfer_receipts.export)


def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="The file that 'streamflow export' wrote.", metavar="FILE")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Take in an exported version: every byte and row is verified, then it is a version here that can be reproduced.

    An empty installation is migrated first. Raw rows do not come: to predict here, run a drop.

    Example: streamflow --home /srv/audit import churn-3.version
    """
    from streamflow.steps.versions.import_version import import_version as step

    with invocation(context).platform(migrated=False) as platform:
        receipt = step(platform, file)
    show(receipt, as_json=as_json, text=transfer_receipts.import_version)


def prune(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove revisions and artifacts that no registered version needs; never one that a passport names.

    A revision goes when a newer one took its place. Files go when their version was deleted from the registry, or their
    training failed. Of the prediction log the months go that are older than the setting prediction_log_months keeps.

    Example: streamflow prune --dry-run
    """
    from streamflow.steps.upkeep.prune import prune as step

    with invocation(context).platform() as platform:
        receipt = step(platform, dry_run=dry_run)
    show(receipt, as_json=as_json, text=transfer_receipts.prune)
