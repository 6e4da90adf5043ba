"""Draw a page as HTML from its template, and give its tables as CSV and its receipt as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from streamflow.console import formats
from streamflow.console.navigation import NAVIGATION
from streamflow.console.sessions import COOKIE, Visitor
from streamflow.console.state import ConsoleState
from streamflow.console.table_rows import draw_rows
from streamflow.console.tables import PageTable, find_table, write_csv
from streamflow.receipt import to_json
from streamflow.web.request_context import notes_of

# Nothing but files of this console: no inline script, no inline style, no different host.
PAGE_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
    " object-src 'none'"
)
STATIC_FOLDER = Path(__file__).with_name("static")
CSV_TYPE = "text/csv; charset=utf-8"
TABLE_FORMATS = ("csv", "json")


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page, ready to be drawn.

    template  the name of its template, without .html
    title     stands in the title of the window and at the top
    path      where the page is, for the mark in the menu
    tables    its tables; the first one is the CSV of the page
    receipt   what the JSON of the page holds: the receipt of its step
    values    what else the template shows
    """

    template: str
    title: str
    path: str = ""
    tables: tuple[PageTable, ...] = ()
    receipt: object = None
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@cache
def make_environment() -> Environment:
    """Make the environment of the templates, once. Every value is escaped."""
    environment = Environment(
        loader=PackageLoader("streamflow.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # The templates are files of the package: no page has to look whether one has changed.
        auto_reload=False,
    )
    functions = {
        "number": formats.format_number,
        "percent": formats.format_percent,
        "points": formats.format_points,
        "day": formats.format_day,
        "instant": formats.format_instant,
        "age": formats.format_age,
        "navigation": NAVIGATION,
    }
    environment.globals.update(functions)
    return environment


def respond(request: Request, state: ConsoleState, visitor: Visitor, page: Page) -> Response:
    """Answer with the page as HTML, or as CSV or JSON where the address asks for it."""
    wanted_format = request.query_params.get("format", "")
    if wanted_format == "json" and page.receipt is not None:
        return Response(to_json(page.receipt), media_type="application/json")
    table = find_table(page.tables, request.query_params.get("table", ""))
    if wanted_format == "csv" and table is not None:
        name = quote(f"{table.name}.csv")
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(write_csv(table), media_type=CSV_TYPE, headers=headers)
    return draw(request, state, visitor, page)


def draw(request: Request, state: ConsoleState, visitor: Visitor, page: Page) -> HTMLResponse:
    """Draw the page as HTML."""
    now = datetime.now(UTC)
    html = (
        make_environment()
        .get_template(f"{page.template}.html")
        .render(
            page=page,
            tables={table.name: table for table in page.tables},
            t=state.texts.get,
            language=state.texts.language,
            visitor=visitor,
            draw_rows=partial(draw_rows, state.texts, now=now),
            needs_keys=state.keys is not None,
            form_token=state.sessions.form_token(visitor.cookie),
            address=change_address(request),
            now=now,
            **page.values,
        )
    )
    headers = {"Content-Security-Policy": PAGE_POLICY, "Vary": "Cookie"}
    response = HTMLResponse(html, status_code=page.status, headers=headers)
    set_cookie(request, response, visitor.cookie, state.sessions.max_age_s)
    return response


def set_cookie(request: Request, response: Response, cookie: str, max_age_s: int) -> None:
    """Give the browser its cookie, unless it has it already."""
    if request.cookies.get(COOKIE) == cookie:
        return
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=max_age_s,
        httponly=True,
        samesite="lax",
        secure=is_https(request),
    )


def is_https(request: Request) -> bool:
    """Return whether the browser came by HTTPS, to us or to a proxy before us."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", ""))


def change_address(request: Request) -> Any:
    """Return a function that gives the address of this page with some parameters changed.

    A parameter of None is left out.
    """
    current = list(request.query_params.multi_items())

    def change(**changes: str | None) -> str:
        kept_items = [(name, value) for name, value in current if name not in changes]
        new_items = [(name, value) for name, value in changes.items() if value is not None]
        query = urlencode([*kept_items, *new_items])
        path = quoted_path(request)
        return f"{path}?{query}" if query else path

    return change


def quoted_path(request: Request) -> str:
    """Return the path of the page as the address has it: the key of a user stays quoted.

    The path of `request.url` has some signs quoted and others not.
    """
    raw_path: bytes = request.scope["raw_path"]
    return raw_path.partition(b"?")[0].decode("ascii", "replace")


def user_address(key: str) -> str:
    """Return the address of the page of a user.

    >>> user_address("a/b?c")
    '/users/a%2Fb%3Fc'
    """
    return f"/users/{quote(key, safe='')}"


def problem_page(
    request: Request,
    state: ConsoleState,
    *,
    status: int,
    code: str,
    lines: Sequence[str],
    command: str = "",
) -> HTMLResponse:
    """Draw a page that says what is wrong, and which command helps."""
    notes_of(request).error = code
    page = Page(
        template="problem",
        title=state.texts.get("problem.title"),
        status=status,
        values={"lines": [line for line in lines if line], "command": command},
    )
    return draw(request, state, state.find_visitor(request), page)
