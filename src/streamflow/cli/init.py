"""The command to start with other data: init."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamflow.cli import receipts
from streamflow.cli.context import Folder, JsonFlag, invocation, show


def register(app: typer.Typer) -> None:
    """Add this command to `app`."""
    app.command("init")(init)


def init(
    context: typer.Context,
    folder: Folder,
    out: Annotated[
        Path, typer.Option("--out", help="Where the catalog is written.", metavar="FILE")
    ] = Path("catalog.toml"),
    key: Annotated[
        str | None, typer.Option("--key", help="The key column, where the guess would be another.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", help="The label column, where the guess would be another."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file when it exists.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a catalog for your own data, guessed from one folder of CSV files; every guess is marked in it.

    Example: streamflow init gym/month_000 --out catalog.toml
    """
    from streamflow.steps.data.init import init as step

    receipt = step(
        folder, out, key=key, label=label, force=force, notify=invocation(context).notify
    )
    show(receipt, as_json=as_json, text=receipts.init)
