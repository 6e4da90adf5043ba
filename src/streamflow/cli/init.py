"""The command that prepares streamflow for your own data: init."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from streamflow.cli import init_receipt
from streamflow.cli.context import invocation, show
from streamflow.cli.options import JsonFlag, ReplaceFile

EXAMPLES = """
More examples: one file, a value of the label, no key, a table of PostgreSQL.

  streamflow init telco.csv --label Churn

  streamflow init bank.xlsx --label "Status=closed"

  streamflow init calls.csv --make-key

  streamflow init --from postgresql://me@db/crm/public.customers
"""

Sources = Annotated[
    list[Path] | None,
    typer.Argument(
        help="The folder of a drop, or its files: CSV, gzip, Parquet or Excel (.xlsx).",
        metavar="SOURCE",
    ),
]
CatalogFile = Annotated[
    Path,
    typer.Option("--out", help="The file to write the catalog to.", metavar="FILE"),
]
KeyColumn = Annotated[
    str | None,
    typer.Option("--key", help="The key column, if the guess would be wrong."),
]
NumberRows = Annotated[
    bool,
    typer.Option(
        "--make-key",
        help="Number the rows, because no column is the key. Then no row of a second month "
        "can be joined to a row of this one.",
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        "--label",
        metavar="COLUMN[=VALUE]",
        help="The label column, if the guess would be wrong, and the value that means that "
        "the user left. A date is the date of leaving.",
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="URL",
        help="Read a table of a PostgreSQL database: postgresql://USER@HOST/DATABASE/SCHEMA.TABLE. "
        "The password may come from PGPASSWORD or ~/.pgpass.",
    ),
]
Query = Annotated[
    str | None,
    typer.Option(
        "--query",
        metavar="SQL",
        help="Read these rows; the URL of --from names no table then.",
    ),
]
DropFolder = Annotated[
    Path,
    typer.Option("--to", metavar="DIR", help="The folder for the rows of --from."),
]
DropDate = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        help="The date of the drop, for the command that comes next.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("init", epilog=EXAMPLES)(init)


def init(
    context: typer.Context,
    sources: Sources = None,
    out: CatalogFile = Path("catalog.toml"),
    key: KeyColumn = None,
    make_key: NumberRows = False,
    label: LabelColumn = None,
    database: DatabaseUrl = None,
    query: Query = None,
    folder: DropFolder = Path("drop"),
    as_of: DropDate = None,
    force: ReplaceFile = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a catalog for your own data.

    The catalog describes your tables and how their files are written. It is guessed from one drop,
    and every guess is marked in it, so that you can check it. All problems are reported at once.

    Example: streamflow init gym/month_000 --as-of 2024-01-31
    """
    from streamflow.steps.data.fetch_rows import fetched_rows
    from streamflow.steps.data.init import init as step

    _require_consistent_options(sources, database, key, make_key=make_key)
    notify = invocation(context).notify
    fetch = partial(fetched_rows, folder=folder, query=query, out=out, force=force, notify=notify)
    with fetch(database) if database else nullcontext() as fetched_file:
        files = [fetched_file] if fetched_file else sources or []
        receipt = step(
            files,
            out=out,
            key=key,
            make_key=make_key,
            label=label,
            force=force,
            notify=notify,
        )
    day = f"{as_of:%Y-%m-%d}" if as_of else "YYYY-MM-DD"
    show(receipt, as_json=as_json, text=partial(init_receipt.describe, day=day))


def _require_consistent_options(
    sources: list[Path] | None,
    database: str | None,
    key: str | None,
    *,
    make_key: bool,
) -> None:
    """Refuse options that contradict each other."""
    if bool(sources) == bool(database):
        raise typer.BadParameter("name SOURCE, or --from URL")
    if make_key and key:
        raise typer.BadParameter("--make-key numbers the rows; it needs no --key")
