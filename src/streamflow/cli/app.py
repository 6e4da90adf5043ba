"""The application: global flags, the commands, and how an error leaves it."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated

import typer

from streamflow import __version__
from streamflow.cli import (
    backup,
    compare,
    data,
    init,
    installation,
    keys,
    ledger,
    maintenance,
    models,
    monitor,
    reproduce,
    score,
    services,
    skew,
    transfer,
)
from streamflow.cli.context import Invocation
from streamflow.errors import StreamflowError

app = typer.Typer(
    name="streamflow",
    help="From monthly CSV drops of a subscription business to churn predictions that can be audited.",
    epilog="Try it: streamflow demo  ·  Your data: streamflow init DIR, then streamflow run DIR --as-of 2024-01-31",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    init,
    data,
    models,
    score,
    ledger,
    reproduce,
    compare,
    monitor,
    skew,
    transfer,
    maintenance,
    services,
    keys,
    backup,
    installation,
):
    module.register(app)

OTHERS_WRITE = 0o022  # who can write into the state folder can plant a model or a feature definition: under no umask we let them


def _version(wanted: bool) -> None:
    if wanted:
        print(f"streamflow {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="The state folder (STREAMFLOW_HOME, default .streamflow)."),
    ] = None,
    catalog: Annotated[
        Path | None, typer.Option("--catalog", help="Your catalog.toml (STREAMFLOW_CATALOG).")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,  # its callback answers
) -> None:
    """Global flags stand before the command: streamflow --home /srv/churn models"""
    context.obj = Invocation(flags={"home": home, "catalog": catalog}, debug=debug, quiet=quiet)


def main() -> None:
    """Run the command line; ours exit with the code of their class, an unforeseen error with 70."""
    os.umask(os.umask(0) | OTHERS_WRITE)
    debug = "--debug" in sys.argv
    if not debug:
        warnings.simplefilter(
            "ignore"
        )  # what vendors say to each other about their next releases; the tests do look
    try:
        app()
    except StreamflowError as error:
        _report(f"error: {error}", debug=debug)
        sys.exit(error.exit_code)
    except Exception as error:  # the last place that can say something to a person
        _report(
            f"error: {type(error).__name__}: {error}\nThis was not foreseen. Nothing of ours stays half written: every step"
            " commits once. Run the command again with --debug and report the traceback.",
            debug=debug,
        )
        sys.exit(70)


def _report(text: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(text, file=sys.stderr)
