"""The pages about Production: the ledger, one entry of it, and who served at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi import FastAPI, HTTPException, Request, Response

from streamflow.console import formats
from streamflow.console.evidence_tables import view_stored_evidence
from streamflow.console.pages import Page, respond
from streamflow.console.requests import Below, Number, parse_instant
from streamflow.console.state import ConsoleState
from streamflow.console.tables import Cell, PageColumn, PageTable, make_paging
from streamflow.console.texts import Texts
from streamflow.core.promotion.ledger import Entry
from streamflow.errors import StreamflowError, VersionMissing
from streamflow.platform import Platform
from streamflow.steps.stages.ledger import (
    VersionAtInstant,
    find_version_at,
    read_entry,
    read_newest_entries,
)
from streamflow.steps.stages.transitions import ProductionStatus, production_status

PRODUCTION_PAGE = "/production"
ENTRIES_SHOWN = 25


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the pages to the application."""

    @app.get(PRODUCTION_PAGE)
    def production(request: Request, below: Below = None) -> Response:
        """Show who is in Production, and the ledger, the newest entry first."""
        visitor = state.require(request)
        return respond(request, state, visitor, _ledger_page(state, below))

    @app.get("/production/served")
    def served(request: Request, instant: str = "") -> Response:
        """Show which version was in Production at an instant."""
        visitor = state.require(request)
        return respond(request, state, visitor, _served_page(state, instant))

    @app.get("/production/entries/{number}")
    def entry(request: Request, number: Number) -> Response:
        """Show one entry of the ledger with its evidence."""
        visitor = state.require(request)
        return respond(request, state, visitor, _entry_page(state, number))


def entry_address(number: int) -> str:
    """Return the address of the page of an entry."""
    return f"/production/entries/{number}"


def _ledger_page(state: ConsoleState, below: int | None) -> Page:
    texts = state.texts
    with state.reading_versions() as platform:
        entries = read_newest_entries(platform, below=below, limit=ENTRIES_SHOWN)
        status, problem = _read_status(platform)
    return Page(
        template="production",
        title=texts.get("production.title"),
        path=PRODUCTION_PAGE,
        tables=(_ledger_table(texts, entries),),
        receipt=entries,
        values={
            "status": status,
            "registry_problem": problem,
            **make_paging([entry.seq for entry in entries], below, ENTRIES_SHOWN),
        },
    )


def _read_status(platform: Platform) -> tuple[ProductionStatus | None, str]:
    """Return which version serves, or the reason why MLflow could not be asked.

    The page shows the ledger in both cases.
    """
    try:
        return production_status(platform), ""
    except StreamflowError as error:
        return None, error.message


def _find_version_at(platform: Platform, instant: datetime) -> VersionAtInstant | None:
    """Return which version was in Production at an instant; None: none was."""
    try:
        return find_version_at(platform, instant)
    except VersionMissing:
        return None


def _ledger_table(texts: Texts, entries: Sequence[Entry]) -> PageTable:
    columns = (
        PageColumn(name="entry", title=texts.get("production.entry")),
        PageColumn(name="at", title=texts.get("production.at")),
        PageColumn(name="action", title=texts.get("production.action")),
        PageColumn(name="stage", title=texts.get("production.stage")),
        PageColumn(name="from_version", title=texts.get("production.from"), kind="number"),
        PageColumn(name="to_version", title=texts.get("production.to"), kind="number"),
        PageColumn(name="who", title=texts.get("production.who")),
        PageColumn(name="why", title=texts.get("production.why")),
    )
    rows = tuple(_ledger_row(texts, entry) for entry in entries)
    caption = texts.get("production.ledger")
    return PageTable(name="ledger", caption=caption, columns=columns, rows=rows)


def _ledger_row(texts: Texts, entry: Entry) -> tuple[Cell, ...]:
    number = texts.get("production.entry_number", number=entry.seq)
    to_link = f"/versions/{entry.to_version}" if entry.to_version else ""
    return (
        Cell(entry.seq, number, link=entry_address(entry.seq)),
        Cell(entry.at, formats.format_instant(entry.at.astimezone(UTC))),
        Cell(entry.action, write_action(texts, entry)),
        Cell(entry.stage),
        Cell(entry.from_version),
        Cell(entry.to_version, link=to_link),
        Cell(entry.who),
        Cell(entry.why),
    )


def write_action(texts: Texts, entry: Entry) -> str:
    """Write what an entry did."""
    return texts.get("production.by_force", action=entry.action) if entry.forced else entry.action


def _choose_intro(entry: Entry) -> str:
    """Return the name of the sentence that says what an entry did to a stage."""
    if entry.from_version is None:
        return "entry.intro_moved_in" if entry.moves else "entry.intro_not_moved_in"
    if entry.to_version is None:
        return "entry.intro_moved_out" if entry.moves else "entry.intro_not_moved_out"
    return "entry.intro_moved" if entry.moves else "entry.intro_not_moved"


def _served_page(state: ConsoleState, text: str) -> Page:
    texts = state.texts
    instant = parse_instant(text)
    served = None
    if instant is not None:
        with state.reading() as platform:
            served = _find_version_at(platform, instant)
    return Page(
        template="served",
        title=texts.get("served.title"),
        path=PRODUCTION_PAGE,
        receipt=served,
        values={
            "text": text,
            "instant_asked": instant,
            "served": served,
            "entry_address": entry_address,
        },
    )


def _entry_page(state: ConsoleState, number: int) -> Page:
    texts = state.texts
    with state.reading() as platform:
        entry = read_entry(platform, number)
    if entry is None:
        raise HTTPException(status_code=404)
    gate = view_stored_evidence(texts, entry.evidence)
    return Page(
        template="entry",
        title=texts.get("entry.title", number=number),
        path=PRODUCTION_PAGE,
        tables=(gate.conditions, gate.compared) if gate else (),
        receipt=entry,
        values={
            "entry": entry,
            "gate": gate,
            "action": write_action(texts, entry),
            "intro": _choose_intro(entry),
        },
    )
