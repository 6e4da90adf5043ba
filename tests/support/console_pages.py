"""The console in process: a browser of httpx, and a count of the statements of a page."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from threading import current_thread
from typing import Any

import httpx
import psycopg
import pytest
import structlog

from streamflow.console.app import create_app
from streamflow.console.jobs import JobBoard, JobOrder, Launch, Message
from streamflow.console.state import ConsoleState, open_state
from streamflow.console.work import do_work
from streamflow.errors import StreamflowError
from streamflow.platform import Platform
from streamflow.receipt import to_json
from streamflow.web.active_keys import KeyRing

STATEMENTS: list[str] = []
KEY_READER = "keys"  # the name of the thread of a KeyRing
TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


@contextmanager
def counted_statements() -> Iterator[None]:
    """Note each statement of every connection of this process in STATEMENTS.

    The pool's own question, whether a connection lives, is empty. The thread that reads the API
    keys again and again belongs to no page.
    """
    execute = psycopg.Cursor.execute

    def note(cursor: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        text = query if isinstance(query, (str, bytes)) else query.as_string()
        if text and current_thread().name != KEY_READER:
            STATEMENTS.append(str(text))
        return execute(cursor, query, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", note)
        yield


@dataclass
class Browser:
    """A person with a browser. It keeps cookies, and follows no link by itself."""

    app: Any
    state: ConsoleState
    log: list[str] = field(default_factory=list)
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)
    base: str = "http://localhost"

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        STATEMENTS.clear()

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url=self.base, cookies=self.cookies
            ) as client:
                response = await client.request(method, path, **options)
                self.cookies = client.cookies
                return response

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.send("GET", path, **options)

    def token(self, path: str = "/login") -> str:
        found = TOKEN.search(self.get(path).text)
        assert found is not None
        return found[1]

    def post(self, path: str, token: str, **fields: str) -> httpx.Response:
        return self.send("POST", path, data={"form_token": token, **fields})

    def text(self, path: str) -> str:
        """What a person reads: the page without its tags."""
        page = self.get(path)
        assert page.status_code == 200, page.text
        return text_of(page.text)


def text_of(html: str) -> str:
    bare = unescape(re.sub(r"<[^>]*>", " ", html)).replace("\u202f", " ")
    return re.sub(r"\s+", " ", bare)


def make_board(launch: Launch, on_forgotten: Callable[[str], None] = lambda _: None) -> JobBoard:
    """The jobs of a console whose log nobody reads."""
    return JobBoard(launch, on_unforeseen=lambda *_: None, on_forgotten=on_forgotten)


def launch_here(state: ConsoleState) -> Launch:
    """Return what does the work of a job in this process: a process would take seconds to start."""

    def launch(order: JobOrder, on_message: Callable[[Message], None]) -> None:
        with state.acting() as opened:
            writer = replace(opened, notify=lambda line: on_message({"line": line}))
            try:
                receipt = do_work(writer, order)
            except StreamflowError as error:
                on_message({"problem": error.message, "remedy": error.remedy})
            else:
                on_message({"receipt": json.loads(to_json(receipt))})

    return launch


@contextmanager
def browsed(
    platform: Platform, keys: KeyRing | None = None, *, host: str = "127.0.0.1"
) -> Iterator[Browser]:
    """The console of an installation, and one browser."""
    lines: list[str] = []

    def write(_: object, __: str, event: Any) -> str:
        lines.append(str(event))
        if "exc_info" in event:
            raise event["exc_info"]
        raise structlog.DropEvent

    log = structlog.wrap_logger(
        structlog.PrintLogger(),
        processors=[write],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
    )
    with counted_statements(), open_state(platform, keys, log) as state:
        yield Browser(app=create_app(state, log, host=host), state=state, log=lines)
