"""Arguments and options that several commands have, and how their text is read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from streamflow.engine_names import EngineName


def as_instant(value: datetime) -> datetime:
    """Return the `as_of` of an option: the day at 00:00 UTC."""
    return value.replace(tzinfo=UTC)


def as_day(value: datetime) -> date:
    """Return the date of an option. The parameters of a flow are dates."""
    return value.date()


def parse_instant(text: str) -> datetime:
    """Parse an ISO instant. Without a time zone it is UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as exc:
        raise typer.BadParameter(f"'{text}' is not an instant like 2024-03-01T12:00:00Z") from exc
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


AsOf = Annotated[
    datetime,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        metavar="YYYY-MM-DD",
        help="The date of the drop. Its rows describe the users at 00:00 UTC of this day.",
    ),
]
LabelLead = Annotated[
    int,
    typer.Option(
        "--label-lead",
        min=0,
        help="Take the labels from the N-th drop after --as-of, not from the drop itself.",
    ),
]
Months = Annotated[
    int,
    typer.Option(
        "--months",
        min=1,
        help="Use the last N drops that have labels, up to --as-of. Of each drop, only what was"
        " known in its own time is used.",
    ),
]
KnownAt = Annotated[
    datetime | None,
    typer.Option(
        "--known-at",
        parser=parse_instant,
        metavar="INSTANT",
        help="Read only what was known at this instant (default: now).",
    ),
]
FullCheck = Annotated[
    bool,
    typer.Option(
        "--full",
        help="Check every cell of the training set, even if it has more than 1 million cells.",
    ),
]
EntityKey = Annotated[
    str,
    typer.Argument(help="The key of the user, such as 7590-VHVEG.", metavar="KEY"),
]
Engine = Annotated[
    EngineName | None,
    typer.Option(
        "--engine",
        help="Where rows are joined and scored (STREAMFLOW_ENGINE): local is this process; spark is"
        " the server of the setting spark_remote.",
        show_default=False,
    ),
]


def _refuse_spark(engine: str | None) -> str | None:
    """Refuse the engine spark for a step that runs on the local engine only."""
    if engine == "spark":
        raise typer.BadParameter(
            "this step runs on the local engine: its rows are in PostgreSQL before and after it."
            " Leave --engine out; the setting engine = spark is for other steps."
        )
    return engine


# For a step that runs on the local engine only: without it, --engine would be an unknown option.
LocalEngine = Annotated[
    EngineName | None,
    typer.Option("--engine", callback=_refuse_spark, hidden=True),
]
# The largest number that a column `bigint` of PostgreSQL holds.
MAX_NUMBER = 2**63 - 1
VersionOrRun = Annotated[
    str,
    typer.Argument(
        help="A model version, as 'streamflow models' lists it, or the id of its run.",
        metavar="VERSION|RUN_ID",
    ),
]
Why = Annotated[str, typer.Option("--why", help="The reason, which the ledger stores.")]
ReplaceFile = Annotated[
    bool, typer.Option("--force", help="Replace the file if it already exists.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")]
Folder = Annotated[
    Path,
    typer.Argument(
        help="The folder of the drop, with its files; or s3://bucket/folder.", metavar="DIR"
    ),
]
