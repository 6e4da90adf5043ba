"""The pages about the service: what doctor finds, and the API keys with their forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from streamflow.console import formats
from streamflow.console.forms import ForeignForm, run_form
from streamflow.console.jobs import new_job_id
from streamflow.console.pages import Page, draw, respond
from streamflow.console.requests import make_requester, number_field, text_field
from streamflow.console.sessions import Visitor
from streamflow.console.state import ConsoleState
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import Texts
from streamflow.core.serving.api_keys import MAX_DAYS, SCOPES
from streamflow.errors import ApiKeyUnknown
from streamflow.steps.serving.api_keys import KeyRow, create_key, list_keys, revoke_keys
from streamflow.steps.upkeep.console_actions import NewAction, record_work
from streamflow.steps.upkeep.doctor import Finding, doctor
from streamflow.steps.upkeep.doctor.finding import State
from streamflow.web.request_context import notes_of

SERVICE = "/service"
STATE_TONES = {"ok": "down", "note": "", "WRONG": "up"}


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the pages and the forms to the application."""

    @app.get(SERVICE)
    def keys(request: Request) -> Response:
        """List the API keys, with the forms that create and revoke one."""
        visitor = state.require(request, "admin")
        return respond(request, state, visitor, _keys_page(state))

    @app.get("/service/doctor")
    def findings(request: Request) -> Response:
        """Show what doctor finds."""
        visitor = state.require(request, "admin")
        return respond(request, state, visitor, _doctor_page(state))

    @app.post("/service/keys")
    async def new_key(request: Request) -> Response:
        """Create a key and show it, only this once."""
        return await run_form(request, state, partial(_create, state))

    @app.get("/service/keys/{key_id}/revoke")
    def revocation_form(request: Request, key_id: str) -> Response:
        """Ask whether a key is to be revoked."""
        visitor = state.require(request, "admin")
        return respond(request, state, visitor, _revocation_page(state, key_id))

    @app.post("/service/keys/{key_id}/revoke")
    async def revoke(request: Request, key_id: str) -> Response:
        """Revoke a key."""
        return await run_form(request, state, partial(_revoke, state, key_id))


def _keys_page(state: ConsoleState) -> Page:
    texts = state.texts
    with state.reading() as platform:
        keys = list_keys(platform)
    return Page(
        template="service",
        title=texts.get("service.title"),
        path=SERVICE,
        tables=(_keys_table(texts, keys),),
        receipt=keys,
        values={
            "scopes": [(scope, texts.get(f"service.scope_{scope}")) for scope in SCOPES],
            "form_number": state.form_numbers.give_out(),
        },
    )


def _keys_table(texts: Texts, keys: Sequence[KeyRow]) -> PageTable:
    names = ("name", "id", "scope", "state", "created", "expires", "revoked")
    columns = [PageColumn(name=name, title=texts.get(f"service.{name}")) for name in names]
    columns.append(PageColumn(name="change", title=texts.get("service.change")))
    rows = []
    for key in keys:
        instants = [
            Cell(instant, formats.format_instant(instant and instant.astimezone(UTC)))
            for instant in (key.created, key.expires, key.revoked)
        ]
        change = Cell("")
        if key.revoked is None:
            change = Cell("", texts.get("service.revoke"), link=revocation_address(key.id))
        row = (Cell(key.name), Cell(key.id), Cell(key.scope), Cell(key.state), *instants, change)
        rows.append(row)
    caption = texts.get("service.keys")
    return PageTable(name="keys", caption=caption, columns=tuple(columns), rows=tuple(rows))


def revocation_address(key_id: str) -> str:
    """Return the address of the page that asks whether a key is to be revoked."""
    return f"/service/keys/{key_id}/revoke"


def _create(
    state: ConsoleState,
    request: Request,
    visitor: Visitor,
    fields: Mapping[str, str],
) -> Response:
    name = text_field(fields, "name")
    scope = next((scope for scope in SCOPES if scope == fields.get("scope")), None)
    days = number_field(fields, "days") if fields.get("days") else None
    if not name or scope is None or not (days is None or 1 <= days <= MAX_DAYS):
        raise ForeignForm
    state.form_numbers.use(fields.get("form_number", ""))
    notes_of(request).caller = visitor.key_id
    with state.acting() as platform:
        receipt = record_work(
            platform,
            _new_action(request, visitor, "create key", name),
            lambda: create_key(platform, name, scope=scope, days=days),
            lambda created: f"key {created.row.id}, scope {scope}",
        )
    page = Page(
        template="new_key",
        title=state.texts.get("service.created_title"),
        path=SERVICE,
        values={"receipt": receipt},
    )
    return draw(request, state, visitor, page)


def _new_action(request: Request, visitor: Visitor, action: str, subject: str) -> NewAction:
    who = make_requester(request, visitor, None).name
    return NewAction(job=new_job_id(), who=who, action=action, subject=subject)


def _revocation_page(state: ConsoleState, key_id: str) -> Page:
    with state.reading() as platform:
        keys = list_keys(platform)
    key = next((key for key in keys if key.id == key_id), None)
    if key is None:
        raise HTTPException(status_code=404)
    if key.revoked is None:
        title = state.texts.get("service.revoke_title", name=key.name)
    else:
        title = state.texts.get("service.revoked_title", name=key.name)
    return Page(
        template="revoke_key",
        title=title,
        path=SERVICE,
        values={"key": key, "form_address": revocation_address(key.id)},
    )


def _revoke(
    state: ConsoleState,
    key_id: str,
    request: Request,
    visitor: Visitor,
    _: Mapping[str, str],
) -> Response:
    notes_of(request).caller = visitor.key_id
    with state.acting() as platform:
        # The step takes a name, too: an address names one key only.
        if key_id not in {key.id for key in list_keys(platform)}:
            raise ApiKeyUnknown(f"no key has the id '{key_id}'")
        receipt = record_work(
            platform,
            _new_action(request, visitor, "revoke key", key_id),
            lambda: revoke_keys(platform, key_id),
            lambda receipt: "" if receipt.revoked else "revoked before",
        )
    # The page of a key that was revoked before says since when.
    address = SERVICE if receipt.revoked else revocation_address(key_id)
    return RedirectResponse(address, status_code=303)


def _doctor_page(state: ConsoleState) -> Page:
    texts = state.texts
    with state.alone():
        findings = doctor(state.platform.settings, now=lambda: datetime.now(UTC))
    fault_count = sum(finding.is_wrong for finding in findings)
    return Page(
        template="doctor",
        title=texts.get("doctor.title"),
        path=SERVICE,
        tables=(_findings_table(texts, findings),),
        receipt=findings,
        values={"fault_count": fault_count},
    )


def _findings_table(texts: Texts, findings: Sequence[Finding]) -> PageTable:
    columns = (
        PageColumn(name="subject", title=texts.get("doctor.subject")),
        PageColumn(name="state", title=texts.get("doctor.state")),
        PageColumn(name="text", title=texts.get("doctor.text")),
        PageColumn(name="remedy", title=texts.get("doctor.remedy")),
    )
    rows = [
        (
            Cell(finding.subject),
            Cell(str(finding.state), tone=STATE_TONES[finding.state]),
            Cell(finding.text),
            Cell(finding.remedy if finding.state != State.OK else ""),
        )
        for finding in findings
    ]
    caption = texts.get("doctor.title")
    return PageTable(name="findings", caption=caption, columns=columns, rows=tuple(rows))
