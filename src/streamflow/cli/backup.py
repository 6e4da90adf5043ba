"""Commands on the whole state: backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamflow.cli import receipts
from streamflow.cli.context import invocation, show
from streamflow.cli.options import JsonFlag, ReplaceFile


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="The file to write, such as streamflow.backup.", metavar="FILE")
    ],
    force: ReplaceFile = False,
    as_json: JsonFlag = False,
) -> None:
    """Write the whole state into one file.

    Everything can keep running. The file holds both databases, the artifacts, and Prefect's run
    history. It contains personal data, and only you can read it.

    The exit code is 1 if the model file of a version is missing in the backup.

    Example: streamflow backup /backups/2024-03-01.backup
    """
    from streamflow.steps.upkeep.backup import backup as step

    with invocation(context).platform(migrated=False) as platform:
        receipt = step(platform, file, force=force)
    show(receipt, as_json=as_json, text=receipts.backup)
    if receipt.missing:
        raise typer.Exit(1)


def restore(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="The file that 'streamflow backup' wrote.", metavar="FILE")
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Only verify the file and list its content; restore nothing."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Restore a backup into an empty installation.

    Checksums verify the file before, and the state after. Only restore a file that you trust: its
    SQL runs with the rights of the database user that you log in as.

    Example: streamflow --home /srv/churn restore /backups/2024-03-01.backup

    Example: streamflow restore /backups/2024-03-01.backup --check
    """
    from streamflow.steps.upkeep.restore import check_backup as check_file
    from streamflow.steps.upkeep.restore import restore as step

    call = invocation(context)
    if check:
        content = check_file(file, notify=call.notify)
        show(content, as_json=as_json, text=receipts.backup_checked)
        return
    with call.platform(migrated=False) as platform:
        receipt = step(platform, file)
    show(receipt, as_json=as_json, text=receipts.restore)
