"""The page of the frozen revisions: what each changed, and which versions were made from it."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request, Response

from streamflow.console.drop_tables import day_of, instant_cell, number_cell
from streamflow.console.pages import Page, respond
from streamflow.console.requests import MAX_NUMBER, parse_day
from streamflow.console.state import ConsoleState
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import Texts
from streamflow.console.version_tables import digest_cell
from streamflow.steps.data.revision_record import (
    RevisionLine,
    RevisionList,
    RevisionPosition,
    list_revisions,
)

SNAPSHOTS = "/snapshots"
REVISIONS_SHOWN = 60
MAX_NAME = 200
PositionText = Annotated[str, Query(alias="after", max_length=2 * MAX_NAME)]


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the page to the application."""

    @app.get(SNAPSHOTS)
    def snapshots(request: Request, position: PositionText = "") -> Response:
        """List the frozen revisions, those of the newest drop first."""
        visitor = state.require(request)
        return respond(request, state, visitor, _list_page(state, position))


def _list_page(state: ConsoleState, position_text: str) -> Page:
    texts = state.texts
    position = parse_position(position_text) if position_text else None
    with state.reading() as platform:
        receipt = list_revisions(platform, position=position, limit=REVISIONS_SHOWN)
    return Page(
        template="snapshots",
        title=texts.get("snapshots.title"),
        path=SNAPSHOTS,
        tables=(revisions_table(texts, receipt),),
        receipt=receipt,
        values={
            "is_later_page": position is not None,
            "after": write_position(receipt.next) if receipt.next else None,
            "limit": REVISIONS_SHOWN,
        },
    )


def write_position(position: RevisionPosition) -> str:
    """Write a place in the list for an address."""
    return f"{position.as_of.astimezone(UTC):%Y-%m-%d}~{position.revision}~{position.table}"


def parse_position(text: str) -> RevisionPosition:
    """Read a place in the list from an address.

    Raises:
        HTTPException: the text is not one that a page gave out.

    >>> parse_position("2024-01-31~2~users").table
    'users'
    """
    day, _, revision = text.partition("~")
    number, _, table = revision.partition("~")
    is_number = number.isascii() and number.isdecimal() and len(number) < len(str(MAX_NUMBER))
    if not is_number or not table or len(table) > MAX_NAME or "\0" in table:
        raise HTTPException(status_code=404)
    return RevisionPosition(as_of=parse_day(day), table=table, revision=int(number))


def revisions_table(texts: Texts, receipt: RevisionList) -> PageTable:
    """Make the table of the revisions."""
    columns = (
        PageColumn(name="as_of", title=texts.get("drops.as_of")),
        PageColumn(name="table", title=texts.get("drop.table")),
        PageColumn(name="revision", title=texts.get("drop.revision"), kind="number"),
        PageColumn(name="rows", title=texts.get("drops.rows"), kind="number"),
        PageColumn(name="more_rows", title=texts.get("drop.more_rows"), kind="number"),
        PageColumn(name="changed_columns", title=texts.get("drop.changed_columns")),
        PageColumn(name="versions", title=texts.get("snapshots.versions")),
        PageColumn(name="known_at", title=texts.get("drops.known_at")),
        PageColumn(name="digest", title=texts.get("drop.digest")),
    )
    rows = tuple(_revision_row(revision) for revision in receipt.revisions)
    caption = texts.get("snapshots.title")
    return PageTable(name="revisions", caption=caption, columns=columns, rows=rows)


def _revision_row(revision: RevisionLine) -> tuple[Cell, ...]:
    day = day_of(revision.as_of)
    former_rows = revision.former_rows
    return (
        Cell(day, link=f"/drops/{day}", moment=revision.as_of),
        Cell(revision.table),
        Cell(revision.revision),
        number_cell(revision.rows),
        number_cell(None if former_rows is None else revision.rows - former_rows),
        Cell(", ".join(revision.changed_columns)),
        Cell(", ".join(str(version) for version in revision.versions)),
        instant_cell(revision.known_at),
        digest_cell(revision.digest),
    )
