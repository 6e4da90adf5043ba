"""The command that prepares streamflow for your own data: init."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamflow.cli import receipts
from streamflow.cli.context import invocation, show
from streamflow.cli.options import Folder, JsonFlag, ReplaceFile


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("init")(init)


def init(
    context: typer.Context,
    folder: Folder,
    out: Annotated[
        Path, typer.Option("--out", help="The file to write the catalog to.", metavar="FILE")
    ] = Path("catalog.toml"),
    key: Annotated[
        str | None,
        typer.Option("--key", help="The key column, if the guess would be wrong."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", help="The label column, if the guess would be wrong."),
    ] = None,
    force: ReplaceFile = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a catalog for your own CSV files.

    The catalog describes your tables. It is guessed from one folder of CSV files, and every guess
    is marked in it, so that you can check it.

    Example: streamflow init gym/month_000 --out catalog.toml
    """
    from streamflow.steps.data.init import init as step

    notify = invocation(context).notify
    receipt = step(folder, out, key=key, label=label, force=force, notify=notify)
    show(receipt, as_json=as_json, text=receipts.init)
