"""The pages about drops: the list with the refused folders, and one drop."""

from __future__ import annotations

from datetime import UTC

from fastapi import FastAPI, Request, Response

from streamflow.console import drop_tables
from streamflow.console.pages import Page, respond
from streamflow.console.requests import parse_day
from streamflow.console.state import ConsoleState
from streamflow.steps.data.drop_record import MAX_REJECTS, list_drops, read_drop

DROPS_SHOWN = 24


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the pages to the application."""

    @app.get("/drops")
    def drops(request: Request, below: str = "") -> Response:
        """List the drops, the newest first."""
        visitor = state.require(request)
        return respond(request, state, visitor, _list_page(state, below))

    @app.get("/drops/{day}")
    def drop(request: Request, day: str) -> Response:
        """Show one drop."""
        visitor = state.require(request)
        return respond(request, state, visitor, _drop_page(state, day))


def _list_page(state: ConsoleState, below: str) -> Page:
    texts = state.texts
    below_day = parse_day(below) if below else None
    with state.reading() as platform:
        receipt = list_drops(platform, below_day=below_day, limit=DROPS_SHOWN)
    is_full = len(receipt.drops) == DROPS_SHOWN
    return Page(
        template="drops",
        title=texts.get("drops.title"),
        path="/drops",
        tables=(drop_tables.drops_table(texts, receipt),),
        receipt=receipt,
        values={
            "refused": receipt.refused,
            "below": below,
            "after": f"{receipt.drops[-1].as_of.astimezone(UTC):%Y-%m-%d}" if is_full else None,
            "limit": DROPS_SHOWN,
        },
    )


def _drop_page(state: ConsoleState, day: str) -> Page:
    texts = state.texts
    as_of = parse_day(day)
    with state.reading() as platform:
        record = read_drop(platform, as_of)
    return Page(
        template="drop",
        title=texts.get("drop.title", day=day),
        path="/drops",
        tables=(
            drop_tables.deliveries_table(texts, record),
            drop_tables.revisions_table(texts, record),
            drop_tables.rejects_table(texts, record),
        ),
        receipt=record,
        values={"record": record, "day_text": day, "max_rejects": MAX_REJECTS},
    )
