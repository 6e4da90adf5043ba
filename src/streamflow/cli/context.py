"""What every command uses: the global flags, the platform, progress lines and output."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from streamflow.cli.printable import printable
from streamflow.receipt import to_json

if TYPE_CHECKING:
    from streamflow.platform import Platform
    from streamflow.settings import Settings

# The width of a table that is not written to a terminal.
FILE_WIDTH = 160
# A text is printed as it is: [brackets] are no markup, and the :b: of an address is no emoji.
PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Invocation:
    """The global flags of this call of the command line."""

    flags: dict[str, Any]
    debug: bool
    quiet: bool

    @property
    def flag_settings(self) -> dict[str, str]:
        """Return the settings that were given as flags, as text, for a different process."""
        return {name: str(value) for name, value in self.flags.items() if value is not None}

    def flag_arguments(self) -> list[str]:
        """Return the settings that were given as flags, as arguments of a new command line."""
        arguments = []
        for name, value in self.flag_settings.items():
            arguments += [f"--{name}", value]
        return arguments

    def with_flags(self, **flags: Any) -> Invocation:
        """Return this call with more settings that were given as flags; None: it was not given."""
        return dataclasses.replace(self, flags={**self.flags, **flags})

    def settings(self) -> Settings:
        """Return the settings. The flags of this call come before all other sources."""
        from streamflow.settings import load_settings

        return load_settings(**self.flags)

    @contextmanager
    def platform(self, *, migrated: bool = True, role: str = "") -> Iterator[Platform]:
        """Open the platform for one command.

        Args:
            migrated: whether the database must have the newest schema
            role: the database role of the command; by default the writer
        """
        from streamflow.platform import open_platform
        from streamflow.steps.lineage.observer import StepReporter
        from streamflow.warehouse.roles import WRITER

        with open_platform(
            self.settings(),
            notify=self.notify,
            must_be_migrated=migrated,
            role=role or WRITER,
            observer=StepReporter(),
        ) as platform:
            yield platform

    def notify(self, text: str) -> None:
        """Print a progress line on stderr, unless --quiet was given."""
        if not self.quiet:
            console = Console(stderr=True, **PLAIN)
            # A file has no width: a line of progress is one line there.
            console.print(f"… {printable(text)}", style="dim", soft_wrap=True)


def invocation(context: typer.Context) -> Invocation:
    """Return the global flags that the callback of the application stored in the context."""
    call = context.obj
    assert isinstance(call, Invocation)
    return call


def show(receipt: object, *, as_json: bool, text: Callable[[Any], str]) -> None:
    """Print a receipt on stdout: as JSON for programs, or as `text` writes it for people."""
    print_text(to_json(receipt) if as_json else text(receipt))


def print_text(text: str) -> None:
    """Print a text on stdout at once. A terminal obeys no character of it."""
    print(printable(text), flush=True)


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout. It is wide if stdout is not a terminal."""
    grid = Table(title=printable(title), title_justify="left", title_style="bold")
    for name in header:
        grid.add_column(name, overflow="fold")
    for row in rows:
        cells = ["" if cell is None else printable(str(cell)) for cell in row]
        grid.add_row(*cells)
    width = None if sys.stdout.isatty() else FILE_WIDTH
    Console(width=width, **PLAIN).print(grid)


def format_time(instant: datetime | None) -> str:
    """Return an instant to the second, such as 2024-03-01 12:00:00; empty if it is missing."""
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"
