"""The command line application: its global flags, its commands, and how it reports an error."""

from __future__ import annotations

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
    console,
    contract,
    customers,
    data,
    demo,
    inbox,
    init,
    installation,
    keys,
    ledger,
    models,
    monitor,
    records,
    reproduce,
    services,
    serving,
    skew,
    training,
    transfer,
    uninstall,
    up,
    webhooks,
)
from streamflow.cli.command_groups import GroupedCommands
from streamflow.cli.context import Invocation
from streamflow.cli.last_errors import (
    explain_foreign_text,
    explain_system_error,
    was_interrupted,
)
from streamflow.cli.printable import printable
from streamflow.errors import StreamflowError
from streamflow.files.permissions import deny_writing_to_others

COMMAND_MODULES = (
    demo,
    init,
    contract,
    data,
    inbox,
    training,
    models,
    ledger,
    webhooks,
    serving,
    keys,
    console,
    customers,
    monitor,
    skew,
    records,
    reproduce,
    compare,
    transfer,
    up,
    services,
    installation,
    backup,
    uninstall,
)

app = typer.Typer(
    name="streamflow",
    cls=GroupedCommands,
    help=(
        "Predict which users of a subscription business will leave, from monthly CSV files."
        " Every model and every prediction can be checked later."
    ),
    epilog=(
        "Try it: streamflow demo. Your own data: streamflow init DIR, then"
        " streamflow run DIR --as-of 2024-01-31"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in COMMAND_MODULES:
    module.register(app)

UNFORESEEN_EXIT_CODE = 70


def _print_version(is_requested: bool) -> None:
    if is_requested:
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
        Path | None,
        typer.Option("--catalog", help="Your catalog.toml (STREAMFLOW_CATALOG)."),
    ] = None,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show the traceback of an error."),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Show no progress on stderr."),
    ] = False,
    # The callback of this option prints the version, so its value is not used here.
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """Keep the global flags, which stand before the command.

    For example: streamflow --home /srv/churn models
    """
    context.obj = Invocation(flags={"home": home, "catalog": catalog}, debug=debug, quiet=quiet)


def main() -> None:
    """Run the command line.

    An error of streamflow exits with the code of its class, an unforeseen error with 70.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C.
    """
    deny_writing_to_others()
    debug = "--debug" in sys.argv
    if not debug:
        silence_warnings()
    try:
        app()
    except SystemExit as end:
        if was_interrupted(end):
            raise KeyboardInterrupt from end
        raise
    # This is the last place that can explain an error to the user.
    except Exception as error:
        if was_interrupted(error):
            raise KeyboardInterrupt from error
        explained = explain_system_error(error) or explain_foreign_text(error)
        text, exit_code = _describe_error(explained or error)
        _report_error(text, debug=debug)
        sys.exit(exit_code)


def silence_warnings() -> None:
    """Print no warning of a library: they warn each other about their next releases.

    The filter alone is not enough. Two threads that fit trees can restore an older filter.
    The tests do show these warnings.
    """
    warnings.simplefilter("ignore")
    warnings.showwarning = _drop_warning


def _drop_warning(*_args: object, **_kwargs: object) -> None:
    """Take the arguments of `warnings.showwarning` and print nothing."""


def _describe_error(error: Exception) -> tuple[str, int]:
    """Return the text about an error, and the exit code."""
    if isinstance(error, StreamflowError):
        return f"error: {error}", error.exit_code
    text = (
        f"error: {type(error).__name__}: {error}\n"
        "This error was not foreseen. Nothing is half written, because every step commits"
        " once. Run the command again with --debug and report the traceback."
    )
    return text, UNFORESEEN_EXIT_CODE


def _report_error(text: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(printable(text), file=sys.stderr)
