"""The forms that change who is in Production: promote and rollback, for the scope admin.

Each form carries the number of the newest entry of the ledger that the page was made from. The
step refuses the change if there is a newer entry, so that a second click changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from streamflow.console.evidence_tables import view_evidence
from streamflow.console.forms import run_form
from streamflow.console.pages import Page, problem_page, respond
from streamflow.console.production_pages import PRODUCTION_PAGE, entry_address
from streamflow.console.requests import Number, make_requester, number_field, text_field
from streamflow.console.sessions import Visitor
from streamflow.console.state import ConsoleState
from streamflow.errors import VersionMissing
from streamflow.platform import Platform
from streamflow.steps.promotion.promote import PromoteReceipt, is_reason_missing, promote
from streamflow.steps.promotion.rollback import former_version, rollback
from streamflow.steps.stages.ledger import newest_number


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the forms, and what they do."""

    @app.get("/versions/{number}/promote")
    def promotion_form(request: Request, number: Number) -> Response:
        """Show the whole evidence of the gate, and the button below it."""
        visitor = state.require(request, "admin")
        return respond(request, state, visitor, _promotion_page(state, number))

    @app.post("/versions/{number}/promote")
    async def promote_version(request: Request, number: Number) -> Response:
        """Promote a version, as the command does."""
        return await run_form(request, state, partial(_promote, state, number))

    @app.get("/production/rollback")
    def rollback_form(request: Request) -> Response:
        """Show which version would come back, and the button below it."""
        visitor = state.require(request, "admin")
        return respond(request, state, visitor, _rollback_page(state))

    @app.post("/production/rollback")
    async def roll_back(request: Request) -> Response:
        """Put the former version back, as the command does."""
        return await run_form(request, state, partial(_rollback, state))


def _promotion_page(state: ConsoleState, number: int) -> Page:
    texts = state.texts
    with state.acting() as platform:
        newest_entry = newest_number(platform)
        receipt = _try_promotion(platform, number)
    examination = receipt.examination
    evidence = {**asdict(examination), "passed": examination.passed} if examination else {}
    gate = view_evidence(texts, evidence) if examination else None
    return Page(
        template="promote",
        title=texts.get("promote.title", version=number),
        path="/versions",
        tables=(gate.conditions, gate.compared) if gate else (),
        receipt=receipt,
        values={
            "receipt": receipt,
            "gate": gate,
            "newest_entry": newest_entry,
        },
    )


def _try_promotion(platform: Platform, number: int) -> PromoteReceipt:
    """Examine a version, as 'promote --dry-run' does; there is no page of a missing version."""
    try:
        return promote(platform, number, dry_run=True)
    except VersionMissing as exc:
        if exc.facts.get("version") == number:
            raise HTTPException(status_code=404) from exc
        raise


def _promote(
    state: ConsoleState,
    number: int,
    request: Request,
    visitor: Visitor,
    fields: Mapping[str, str],
) -> Response:
    why = text_field(fields, "why")
    force = fields.get("force") == "yes"
    newest_entry = number_field(fields, "newest_entry")
    if is_reason_missing(why, force=force):
        lines = [state.texts.get("promote.reason_missing")]
        return problem_page(request, state, status=422, code="reason_missing", lines=lines)
    requester = make_requester(request, visitor, newest_entry)
    with state.acting() as platform:
        receipt = promote(platform, number, why=why, force=force, requester=requester)
    if receipt.seq is None:
        return RedirectResponse(f"/versions/{number}", status_code=303)
    return RedirectResponse(entry_address(receipt.seq), status_code=303)


def _rollback_page(state: ConsoleState) -> Page:
    texts = state.texts
    with state.reading() as platform:
        newest_entry = newest_number(platform)
        version = former_version(platform)
    return Page(
        template="rollback",
        title=texts.get("rollback.title"),
        path=PRODUCTION_PAGE,
        values={"version": version, "newest_entry": newest_entry},
    )


def _rollback(
    state: ConsoleState,
    request: Request,
    visitor: Visitor,
    fields: Mapping[str, str],
) -> Response:
    why = text_field(fields, "why")
    requester = make_requester(request, visitor, number_field(fields, "newest_entry"))
    with state.acting() as platform:
        receipt = rollback(platform, why=why, requester=requester)
    return RedirectResponse(entry_address(receipt.seq), status_code=303)
