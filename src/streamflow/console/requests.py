"""What the pages for the engineer read from a request: numbers, days, fields of forms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from fastapi import HTTPException, Path, Query, Request

from streamflow.console.forms import ForeignForm
from streamflow.console.sessions import Visitor
from streamflow.steps.stages.requester import Requester
from streamflow.web.host_check import read_host
from streamflow.web.request_context import notes_of
from streamflow.web.tool_pages import choose_pages

# The largest integer of PostgreSQL's type of this name.
MAX_NUMBER = 2**31 - 2
MAX_DIGITS = 10
MAX_TEXT = 2_000

Number = Annotated[int, Path(ge=1, le=MAX_NUMBER)]
Below = Annotated[int | None, Query(ge=1, le=MAX_NUMBER)]


def parse_day(text: str) -> datetime:
    """Return the instant of a day such as 2024-01-31, at 00:00 UTC.

    Raises:
        HTTPException: this is no day.
    """
    try:
        day = datetime.strptime(text, "%Y-%m-%d")
    except ValueError as exc:
        raise HTTPException(status_code=404) from exc
    return day.replace(tzinfo=UTC)


def parse_instant(text: str) -> datetime | None:
    """Return the instant of a text in ISO form, in UTC; without a time zone it is UTC.

    Returns:
        None if this is no instant, or one that no calendar in UTC has
    """
    try:
        instant = datetime.fromisoformat(text.strip())
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def text_field(fields: Mapping[str, str], name: str) -> str:
    """Return the text of a field without spaces around it.

    Raises:
        ForeignForm: no form of ours sends such a text.
    """
    text = fields.get(name, "").strip()
    if "\0" in text or len(text) > MAX_TEXT:
        raise ForeignForm
    return text


def number_field(fields: Mapping[str, str], name: str) -> int:
    """Return the number of a field.

    Raises:
        ForeignForm: the field is missing, or is no number.
    """
    text = fields.get(name, "")
    is_number = text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
    if not is_number or int(text) > MAX_NUMBER:
        raise ForeignForm
    return int(text)


def make_requester(
    request: Request,
    visitor: Visitor,
    newest_entry: int | None,
) -> Requester:
    """Name who asks for a change, for the ledger and for the log.

    Where no key is required, the ledger gets the login name of this process, as from a command.
    """
    if visitor.key_id is None:
        return Requester(newest_entry=newest_entry)
    notes_of(request).caller = visitor.key_id
    return Requester(who=f"{visitor.name} (key {visitor.key_id})", newest_entry=newest_entry)


def list_pages(request: Request, pages: Mapping[str, str]) -> dict[str, str]:
    """Return the pages of the tools that the person who asks can open: tool -> address."""
    return choose_pages(pages, read_host(request.scope).decode("ascii", "replace"))
