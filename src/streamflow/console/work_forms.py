"""The forms that start work: each says what it will do, asks once, and shows the command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from streamflow.console.forms import run_form
from streamflow.console.job_pages import job_address
from streamflow.console.jobs import JobOrder
from streamflow.console.pages import Page, draw, problem_page, respond
from streamflow.console.requests import MAX_DIGITS, make_requester, text_field
from streamflow.console.sessions import Visitor
from streamflow.console.state import ConsoleState
from streamflow.console.work import do_work

WORK_PAGE = "/work"
MAX_MONTHS = 1_000
MAX_VERSION = 2**31 - 2
# The fields of each kind of work, in their order, with the value that a new form has.
FORM_FIELDS: Mapping[str, Mapping[str, str]] = {
    "reproduce": {"version": ""},
    "compare": {"version": "", "other": ""},
    "export": {"version": ""},
    "retrain": {"months": "1", "lead": "0", "why": "asked for"},
    "score": {"day": ""},
    "forget": {"key": "", "why": ""},
}
NUMBER_LIMITS = {
    "version": (1, MAX_VERSION),
    "other": (1, MAX_VERSION),
    "months": (1, MAX_MONTHS),
    "lead": (0, MAX_MONTHS),
}
COMMANDS = {
    "reproduce": "streamflow reproduce {version}",
    "compare": "streamflow compare {version} {other}",
    "export": "streamflow export {version} FILE",
    "retrain": "streamflow retrain --months {months} --label-lead {lead}",
    "score": "streamflow score --as-of {day} --explain",
    "forget": "streamflow forget --why {why} -- {key}",
}
PLACEHOLDERS = {
    "version": "VERSION",
    "other": "VERSION",
    "day": "DAY",
    "key": "KEY",
    "why": "REASON",
}


class FieldUnusable(Exception):
    """A person wrote something into a field that cannot be used there."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the forms, and what they do."""

    @app.get("/work/{kind}")
    def work_form(request: Request, kind: str) -> Response:
        """Say what the work will do, and show the button."""
        visitor = state.require(request, "admin")
        return respond(request, state, visitor, _form_page(request, state, kind))

    @app.post("/work/{kind}")
    async def start_work(request: Request, kind: str) -> Response:
        """Start the work."""
        return await run_form(request, state, partial(_start, state, kind))


def _form_page(request: Request, state: ConsoleState, kind: str) -> Page:
    if kind not in FORM_FIELDS:
        raise HTTPException(status_code=404)
    texts = state.texts
    values = {
        name: request.query_params.get(name, default) for name, default in FORM_FIELDS[kind].items()
    }
    fields = [
        {
            "name": name,
            "title": texts.get(f"work.field_{name}"),
            "value": value,
            "limits": NUMBER_LIMITS.get(name),
        }
        for name, value in values.items()
    ]
    return Page(
        template="work_form",
        title=texts.get(f"work.title_{kind}"),
        path=WORK_PAGE,
        values={
            "kind": kind,
            "intro": texts.get(f"work.intro_{kind}"),
            "submit": texts.get(f"work.submit_{kind}"),
            "fields": fields,
            "command": write_command(kind, values),
            "form_number": state.form_numbers.give_out(),
        },
    )


def write_command(kind: str, values: Mapping[str, str]) -> str:
    """Write the command that does the same. A value stays one argument, whatever it contains.

    >>> write_command("forget", {"key": "x; reboot", "why": ""})
    "streamflow forget --why REASON -- 'x; reboot'"
    """
    arguments = {
        name: shlex.quote(value or PLACEHOLDERS.get(name, "")) for name, value in values.items()
    }
    return COMMANDS[kind].format(**arguments)


def _start(
    state: ConsoleState,
    kind: str,
    request: Request,
    visitor: Visitor,
    fields: Mapping[str, str],
) -> Response:
    if kind not in FORM_FIELDS:
        raise HTTPException(status_code=404)
    try:
        arguments = {name: _read_field(fields, name) for name in FORM_FIELDS[kind]}
    except FieldUnusable as error:
        title = state.texts.get(f"work.field_{error.name}")
        lines = [state.texts.get("work.unusable", field=title)]
        return problem_page(request, state, status=422, code="field_unusable", lines=lines)
    if kind != "forget":
        # A form that is refused for this reason can be sent again later.
        state.jobs.require_idle()
    state.form_numbers.use(fields.get("form_number", ""))
    who = make_requester(request, visitor, None).who
    subject = _describe_subject(kind, arguments)
    order = JobOrder(kind=kind, arguments=arguments, subject=subject, who=who)
    if kind == "forget":
        return _forget(state, request, visitor, order)
    job = state.jobs.start(order)
    return RedirectResponse(job_address(job.order.job_id), status_code=303)


def _read_field(fields: Mapping[str, str], name: str) -> Any:
    """Return the value of a field.

    Raises:
        FieldUnusable: it cannot be used.
        ForeignForm: no form of ours sends such a text.
    """
    text = text_field(fields, name)
    if not text:
        raise FieldUnusable(name)
    if name == "day":
        return _read_day(text)
    if name not in NUMBER_LIMITS:
        return text
    lowest, highest = NUMBER_LIMITS[name]
    is_number = text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
    if not is_number or not lowest <= int(text) <= highest:
        raise FieldUnusable(name)
    return int(text)


def _read_day(text: str) -> str:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date().isoformat()
    except ValueError as exc:
        raise FieldUnusable("day") from exc


def _describe_subject(kind: str, arguments: Mapping[str, Any]) -> str:
    """Say what the work is about. A user is not named: the table of actions keeps no key."""
    if kind == "compare":
        return f"versions {arguments['version']} and {arguments['other']}"
    if kind in ("reproduce", "export"):
        return f"version {arguments['version']}"
    if kind == "score":
        return f"drop of {arguments['day']}"
    return "a user" if kind == "forget" else "the newest labelled drop"


def _forget(
    state: ConsoleState,
    request: Request,
    visitor: Visitor,
    order: JobOrder,
) -> Response:
    """Erase a user at once, and show the receipt. No job keeps the key."""
    try:
        with state.acting() as platform:
            receipt = do_work(platform, order)
    finally:
        # Also after an error: the user may be erased already when the lake cannot be cleaned.
        state.jobs.forget_receipts()
    page = Page(
        template="forgotten",
        title=state.texts.get("work.title_forgotten"),
        path=WORK_PAGE,
        values={"receipt": receipt},
    )
    return draw(request, state, visitor, page)
