"""Log in by an API key, and log out."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from streamflow.console.forms import read_form
from streamflow.console.navigation import FIRST_PAGE
from streamflow.console.pages import Page, draw, quoted_path, set_cookie
from streamflow.console.state import ConsoleState
from streamflow.core.serving.api_keys import scope_covers
from streamflow.web.request_context import notes_of

LOGIN = "/login"
LOGOUT = "/logout"


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the page with the form, and what its forms do."""

    @app.get(LOGIN)
    def login_form(request: Request, next_page: str = FIRST_PAGE) -> Response:
        """Show the form, or the first page to whoever needs no log-in."""
        if state.find_visitor(request).scope is not None:
            return RedirectResponse(local_address(next_page), status_code=303)
        return _draw_form(request, state, next_page)

    @app.post(LOGIN)
    async def log_in(request: Request) -> Response:
        """Begin a session for the owner of a key."""
        fields = await read_form(request, state)
        next_page = local_address(fields.get("next_page", ""))
        if state.keys is None:
            return RedirectResponse(next_page, status_code=303)
        if not state.keys.is_trusted:
            notes_of(request).error = "keys_unread"
            problem = state.texts.get("login.unread")
            return _draw_form(request, state, next_page, status=503, problem=problem)
        key = state.keys.find(fields.get("key", "").strip().encode())
        if key is None or not scope_covers(key.scope, "read"):
            notes_of(request).error = "unauthorized"
            problem = state.texts.get("login.refused")
            return _draw_form(request, state, next_page, status=401, problem=problem)
        notes_of(request).caller = key.id
        cookie = state.sessions.start(key, datetime.now(UTC))
        response = RedirectResponse(next_page, status_code=303)
        set_cookie(request, response, cookie, state.sessions.max_age_s)
        return response

    @app.post(LOGOUT)
    async def log_out(request: Request) -> Response:
        """End the session of this browser."""
        await read_form(request, state)
        state.sessions.end(state.find_visitor(request).cookie)
        return RedirectResponse(LOGIN, status_code=303)


def _draw_form(
    request: Request,
    state: ConsoleState,
    next_page: str,
    *,
    status: int = 200,
    problem: str = "",
) -> Response:
    """Draw the form, below the problem if there is one."""
    page = Page(
        template="login",
        title=state.texts.get("login.title"),
        status=status,
        values={"next_page": local_address(next_page), "problem": problem},
    )
    return draw(request, state, state.find_visitor(request), page)


def login_address(request: Request) -> str:
    """Return the address of the form, which leads back to the page that was asked for."""
    page = quoted_path(request)
    if request.url.query:
        page = f"{page}?{request.url.query}"
    return f"{LOGIN}?next_page={quote(page, safe='')}"


def local_address(address: str) -> str:
    r"""Return an address if it is a page of this console, else the first page.

    >>> local_address("/portfolio?x=1"), local_address("//evil.example"), local_address("/\\evil")
    ('/portfolio?x=1', '/at-risk', '/at-risk')
    """
    is_local = address.startswith("/") and not address.startswith(("//", "/\\"))
    is_plain = address.isprintable() and "\\" not in address
    return address if is_local and is_plain else FIRST_PAGE
