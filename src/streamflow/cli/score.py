"""Commands on what a version says: score, explain."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from streamflow.cli import score_receipts
from streamflow.cli.context import AsOf, JsonFlag, as_day, invocation, show


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    for command in (score, explain):
        app.command(command.__name__)(command)


def score(
    context: typer.Context,
    as_of: AsOf,
    version: Annotated[
        int | None,
        typer.Option(
            "--version",
            min=1,
            help="The model version; without it the one in Production.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write the rows to this .csv or .parquet file.", metavar="FILE"),
    ] = None,
    explain: Annotated[  # typer makes a flag of it
        bool,
        typer.Option(
            "--explain",
            help="With the largest reasons of each row: a forest of 300 trees needs 0.1 s a row.",
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say what a version expects of every key of a drop, from the frozen rows; the same is never scored twice.

    Example: streamflow score --as-of 2024-02-29 --out scores.parquet
    """
    from streamflow.steps.serving.score import score as step

    with invocation(context).platform() as platform:
        receipt = step(
            platform,
            as_day(as_of),
            version=version,
            out=out,
            explain=explain,
        )
    show(receipt, as_json=as_json, text=score_receipts.score)


def explain(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="The entity's key, such as 7590-VHVEG.")],
    top: Annotated[
        int, typer.Option("--top", min=1, help="How many of the reasons, the largest first.")
    ] = 5,
    as_json: JsonFlag = False,
) -> None:
    """Say what each feature adds to what the version in Production says of one key.

    Example: streamflow explain 7590-VHVEG --top 3
    """
    from streamflow.steps.serving.explain import explain as step

    with invocation(context).platform() as platform:
        receipt = step(platform, key, now=datetime.now(UTC))
    show(receipt, as_json=as_json, text=lambda found: score_receipts.explain(found, top))
