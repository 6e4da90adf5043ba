"""Commands that move versions, and that remove unused data: export, import, prune, to-lake."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamflow.cli import transfer_receipts
from streamflow.cli.context import invocation, show
from streamflow.cli.options import JsonFlag, ReplaceFile, VersionOrRun


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("export")(export)
    app.command("import")(import_version)
    app.command("prune")(prune)
    app.command("to-lake")(to_lake)


def export(
    context: typer.Context,
    version: VersionOrRun,
    file: Annotated[
        Path, typer.Argument(help="The file to write, such as churn-3.version.", metavar="FILE")
    ],
    force: ReplaceFile = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a version into one file.

    The file contains the version, its passport, and the frozen rows that it was made from. It
    contains personal data, and only you can read it.

    Example: streamflow export 3 churn-3.version
    """
    from streamflow.steps.versions.export import export as step

    with invocation(context).platform() as platform:
        receipt = step(platform, version, file, force=force)
    show(receipt, as_json=as_json, text=transfer_receipts.export)


def import_version(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="The file that 'streamflow export' wrote.", metavar="FILE")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Load a version from an exported file.

    Every byte and row is verified. Then the version can be reproduced here. An empty installation
    is migrated first. The file does not contain raw rows: to predict here, run a drop.

    Example: streamflow --home /srv/audit import churn-3.version
    """
    from streamflow.steps.versions.import_version import import_version as step

    with invocation(context).platform(migrated=False) as platform:
        receipt = step(platform, file)
    show(receipt, as_json=as_json, text=transfer_receipts.import_version)


def prune(
    context: typer.Context,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what would be removed; remove nothing."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove revisions and files that no version needs.

    The command never removes what the passport of a registered version names. It removes a
    revision when a newer one took its place. It removes files when their version was deleted from
    the registry, or when their training failed. It removes runs of 'score' that a newer run
    replaced, and the months of the prediction log that are older than the setting
    prediction_log_months allows.

    Example: streamflow prune --dry-run
    """
    from streamflow.steps.upkeep.prune import prune as step

    with invocation(context).platform() as platform:
        receipt = step(platform, dry_run=dry_run)
    show(receipt, as_json=as_json, text=transfer_receipts.prune)


def to_lake(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Move frozen rows that PostgreSQL keeps into the lake of the setting lake.

    `snapshot` writes new revisions there by itself. The newest revision of the newest drop of each
    table also stays in PostgreSQL.

    Example: streamflow to-lake
    """
    from streamflow.steps.upkeep.move_to_lake import move_to_lake as step

    with invocation(context).platform() as platform:
        receipt = step(platform)
    show(receipt, as_json=as_json, text=transfer_receipts.to_lake)
