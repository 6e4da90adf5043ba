"""Read the form of a request. Every form must bring the token that this console gave out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from streamflow.console.sessions import COOKIE, Visitor
from streamflow.console.state import ConsoleState

TOKEN = "form_token"  # noqa: S105  # the name of a field
FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 100
# What a form does: it gets the request, who sent the form, and its fields.
FormAction = Callable[[Request, Visitor, Mapping[str, str]], Response]


class ForeignForm(Exception):
    """A form is not from a page that this console gave to this browser."""


async def read_form(request: Request, state: ConsoleState) -> dict[str, str]:
    """Read the fields of a form. Of a field that is sent twice, the last value counts.

    Raises:
        ForeignForm: the token is missing or wrong, or this is no form.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != FORM_TYPE:
        raise ForeignForm
    body = await request.body()
    try:
        text = body.decode()
        lists = parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as exc:
        raise ForeignForm from exc
    fields = {name: values[-1] for name, values in lists.items()}
    cookie = request.cookies.get(COOKIE, "")
    if not cookie or not state.sessions.is_form_token(cookie, fields.pop(TOKEN, "")):
        raise ForeignForm
    return fields


async def run_form(request: Request, state: ConsoleState, action: FormAction) -> Response:
    """Read the form of somebody with the scope admin, and do what it asks for in a thread.

    Raises:
        LoginNeeded: nobody is logged in.
        ScopeTooSmall: the person does not have the scope admin.
        ForeignForm: the form is not ours.
    """
    visitor = state.require(request, "admin")
    fields = await read_form(request, state)
    return await run_in_threadpool(action, request, visitor, fields)
