"""Upload of a drop into the inbox: the form, and what takes its files as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from starlette.requests import ClientDisconnect

from streamflow.console.forms import TOKEN, ForeignForm
from streamflow.console.job_pages import job_address
from streamflow.console.jobs import new_job_id
from streamflow.console.pages import Page, problem_page, respond
from streamflow.console.requests import make_requester
from streamflow.console.sessions import COOKIE, Visitor
from streamflow.console.state import ConsoleState
from streamflow.core.data.counts import count_of
from streamflow.steps.data.drop_upload import DropUpload, UploadReceipt
from streamflow.steps.upkeep.console_actions import NewAction, record_work
from streamflow.web.client_timeouts import give_body_time
from streamflow.web.multipart import FormPart, MultipartMalformed, MultipartReader, find_boundary

UPLOAD = "/upload"
MAX_FIELD_BYTES = 1_000


class UploadTooLarge(Exception):
    """The body is larger than console_max_upload."""


class UploadForm:
    """Takes the parts of the form: first its fields, then the files.

    Args:
        upload: takes the files.
        is_token: decides whether a token is one of this browser.
    """

    def __init__(self, upload: DropUpload, is_token: Callable[[str], bool]) -> None:
        self.fields: dict[str, str] = {}
        self._upload = upload
        self._is_token = is_token
        self._part: FormPart | None = None
        self._content = b""

    def begin(self, form_part: FormPart) -> None:
        """Begin a field or a file. A file is taken only after the token."""
        self._part = form_part
        self._content = b""
        if form_part.file_name:
            self.require_token()
            self._upload.begin_file(form_part.file_name)

    def write(self, content: bytes) -> None:
        """Take some bytes."""
        assert self._part is not None
        if self._part.file_name:
            self._upload.write(content)
        elif len(self._content) + len(content) > MAX_FIELD_BYTES:
            raise MultipartMalformed("a field is too long")
        else:
            self._content += content

    def end(self) -> None:
        """End a field or a file. A file without a name is a field of the form without a choice."""
        assert self._part is not None
        if self._part.file_name:
            self._upload.end_file()
        else:
            self.fields[self._part.name] = self._content.decode("utf-8", "replace")

    def require_token(self) -> None:
        """Refuse a form that does not come from a page of this browser.

        Raises:
            ForeignForm: the token is missing or wrong.
        """
        if not self._is_token(self.fields.get(TOKEN, "")):
            raise ForeignForm


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the form, and what it does."""

    @app.get(UPLOAD)
    def upload_form(request: Request) -> Response:
        """Show the form."""
        visitor = state.require(request, "admin")
        return respond(request, state, visitor, _form_page(state))

    @app.post(UPLOAD)
    async def upload(request: Request) -> Response:
        """Take the files of a drop. Nothing of the body is read from somebody who may not."""
        visitor = state.require(request, "admin")
        try:
            return await _take(request, state, visitor)
        except MultipartMalformed as exc:
            raise ForeignForm from exc
        except UploadTooLarge:
            limit = state.platform.settings.console_max_upload
            line = state.texts.get("upload.too_large", bytes=limit)
            return problem_page(request, state, status=413, code="too_large", lines=[line])
        except (TimeoutError, ClientDisconnect):
            line = state.texts.get("upload.too_slow", **_write_time_limits(state))
            return problem_page(request, state, status=408, code="too_slow", lines=[line])


def _form_page(state: ConsoleState) -> Page:
    settings = state.platform.settings
    return Page(
        template="upload",
        title=state.texts.get("upload.title"),
        path="/drops",
        values={
            "form_number": state.form_numbers.give_out(),
            "inbox": settings.inbox,
            "limit": settings.console_max_upload,
            **_write_time_limits(state),
        },
    )


def _write_time_limits(state: ConsoleState) -> dict[str, str]:
    settings = state.platform.settings
    return {
        "seconds": f"{settings.console_upload_limit:g}",
        "pause": f"{settings.api_client_limit:g}",
    }


async def _take(request: Request, state: ConsoleState, visitor: Visitor) -> Response:
    boundary = find_boundary(request.headers.get("content-type", ""))
    cookie = request.cookies.get(COOKIE, "")
    name = new_job_id()
    upload = DropUpload(state.platform, name)
    upload_form = UploadForm(upload, partial(_is_token, state, cookie))
    try:
        await _read_body(request, state, MultipartReader(boundary, upload_form))
        upload_form.require_token()
        day = _read_day(upload_form.fields)
        if day is None:
            lines = [state.texts.get("work.unusable", field=state.texts.get("work.field_day"))]
            return problem_page(request, state, status=422, code="field_unusable", lines=lines)
        state.form_numbers.use(upload_form.fields.get("form_number", ""))
        action = NewAction(
            job=name,
            who=make_requester(request, visitor, None).name,
            action="upload",
            subject=f"drop of {day:%Y-%m-%d}",
        )
        await run_in_threadpool(_finish, state, action, partial(upload.finish, day))
    finally:
        await run_in_threadpool(upload.discard)
    return RedirectResponse(job_address(name), status_code=303)


async def _read_body(request: Request, state: ConsoleState, reader: MultipartReader) -> None:
    """Read the body to its end, piece by piece.

    The rest of a body that is too large is thrown away: who is still sending reads no answer.

    Raises:
        UploadTooLarge: it is larger than console_max_upload.
        MultipartMalformed: it is no form with files.
        TimeoutError: it does not arrive within console_upload_limit, or nothing of it arrives for
            the time of api_client_limit.
        ClientDisconnect: the browser is gone.
    """
    settings = state.platform.settings
    give_body_time(request.scope, settings.console_upload_limit)
    clock = asyncio.get_running_loop()
    deadline = clock.time() + settings.console_upload_limit
    pieces = aiter(request.stream())
    size = 0
    while True:
        # Only the waiting has a limit: a thread that writes a piece cannot be stopped.
        async with asyncio.timeout_at(min(deadline, clock.time() + settings.api_client_limit)):
            piece = await anext(pieces, None)
        if piece is None:
            break
        size += len(piece)
        if size <= settings.console_max_upload:
            await run_in_threadpool(reader.feed, piece)
    if size > settings.console_max_upload:
        raise UploadTooLarge
    reader.finish()


def _is_token(state: ConsoleState, cookie: str, token: str) -> bool:
    return bool(cookie) and state.sessions.is_form_token(cookie, token)


def _read_day(fields: Mapping[str, str]) -> date | None:
    try:
        return datetime.strptime(fields.get("day", ""), "%Y-%m-%d").date()
    except ValueError:
        return None


def _finish(state: ConsoleState, action: NewAction, finish: Callable[[], UploadReceipt]) -> None:
    with state.acting() as platform:
        record_work(platform, action, finish, _describe)


def _describe(receipt: UploadReceipt) -> str:
    size = count_of(sum(file.size for file in receipt.files), "byte")
    return f"folder {receipt.folder}: {count_of(len(receipt.files), 'file')}, {size}"
