"""Commands on the whole state: backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamflow.cli import receipts
from streamflow.cli.context import JsonFlag, invocation, show


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="The file to write, such as streamflow.backup.", metavar="FILE")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write the whole state into one file, while everything runs: both databases, artifacts, Prefect's run history.

    It holds personal data, and is readable by you alone.

    Example: streamflow backup /backups/2024-03-01.backup
    """
    from streamflow.steps.upkeep.backup import backup as step

    with invocation(context).platform(migrated=False) as platform:
        receipt = step(platform, file, force=force)
    show(receipt, as_json=as_json, text=receipts.backup)


def restore(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="The file that 'streamflow backup' wrote.", metavar="FILE")
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Verify the file and say what it holds; restore nothing."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a backup the state of an empty installation, verified by digests before and after.

    Restore what you trust only: its SQL is run as the database user that you log in as.

    Example: streamflow --home /srv/churn restore /backups/2024-03-01.backup

    Example: streamflow restore /backups/2024-03-01.backup --check
    """
    from streamflow.steps.upkeep.restore import check as verify
    from streamflow.steps.upkeep.restore import restore as step

    call = invocation(context)
    if check:
        show(verify(file, notify=call.notify), as_json=as_json, text=receipts.backup_checked)
        return
    with call.platform(migrated=False) as platform:
        receipt = step(platform, file)
    show(receipt, as_json=as_json, text=receipts.restore)
