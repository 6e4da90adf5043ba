"""What every command shares: global flags, the platform, progress and output."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from streamflow.platform import Platform
    from streamflow.settings import Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Invocation:
    """The global flags of this call."""

    flags: dict[str, Any]
    debug: bool
    quiet: bool

    @property
    def given(self) -> dict[str, str]:
        """The settings among the flags as text, for another process."""
        return {name: str(value) for name, value in self.flags.items() if value is not None}

    def settings(self) -> Settings:
        """The settings, with the flags of this call on top."""
        from streamflow.settings import load_settings

        return load_settings(**self.flags)

    @contextmanager
    def platform(self, *, migrated: bool = True, as_api: bool = False) -> Iterator[Platform]:
        """The platform, opened for one command; `as_api` with no more rights than the API needs."""
        from streamflow.platform import open_platform
        from streamflow.warehouse.roles import API, WRITER

        role = API if as_api else WRITER
        with open_platform(
            self.settings(), notify=self.notify, migrated=migrated, role=role
        ) as platform:
            yield platform

    def notify(self, text: str) -> None:
        """Progress, on stderr."""
        if not self.quiet:
            Console(stderr=True, highlight=False).print(f"… {text}", style="dim", markup=False)


def invocation(context: typer.Context) -> Invocation:
    """The global flags that the callback left in the context."""
    found = context.obj
    assert isinstance(found, Invocation)
    return found


def as_day(value: datetime) -> date:
    """Typer parses dates as datetimes."""
    return value.date()


def parse_instant(text: str) -> datetime:
    """An ISO instant; without a zone it is UTC."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError as exc:
        raise typer.BadParameter(f"'{text}' is not an instant like 2024-03-01T12:00:00Z") from exc
    return value if value.tzinfo else value.replace(tzinfo=UTC)


AsOf = Annotated[
    datetime,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        help="The day whose knowledge the rows describe, 00:00 UTC.",
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")]
Folder = Annotated[
    Path, typer.Argument(help="The folder of the drop, with its CSV files.", metavar="DIR")
]


def show(receipt: object, *, as_json: bool, text: Callable[[Any], str]) -> None:
    """Print a receipt on stdout: JSON for machines, `text` for people."""
    print(to_json(receipt) if as_json else text(receipt))


def to_json(value: object) -> str:
    """A receipt as JSON; dates and instants in ISO form, paths as text."""
    return json.dumps(value, default=_plain, indent=2, ensure_ascii=False)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout, as wide as it needs when nobody looks at a terminal."""
    grid = Table(title=title, title_justify="left", title_style="bold")
    for name in header:
        grid.add_column(name, overflow="fold")
    for row in rows:
        grid.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(grid, markup=False)
