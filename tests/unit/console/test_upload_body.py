"""The body of an upload: it is read piece by piece, and must arrive in time and whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from streamflow.console import upload_pages
from streamflow.console.upload_pages import UploadTooLarge

Receive = Callable[[], Awaitable[dict[str, Any]]]
PIECE = {"type": "http.request", "body": b"12345", "more_body": True}


class Pieces:
    """Keeps the pieces that a reader gets."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_finished = False

    def feed(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def finish(self) -> None:
        self.is_finished = True


def messages(*values: dict[str, Any]) -> Receive:
    """Give the messages, and then none for ever."""
    waiting = list(values)

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return receive


def read(receive: Receive) -> Pieces:
    reader: Any = Pieces()
    settings = SimpleNamespace(
        api_client_limit=0.05, console_upload_limit=0.12, console_max_upload=12
    )
    state: Any = SimpleNamespace(platform=SimpleNamespace(settings=settings))
    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    asyncio.run(upload_pages._read_body(request, state, reader))
    return reader


def test_a_body_is_read_to_its_end() -> None:
    reader = read(messages(PIECE, {**PIECE, "more_body": False}))
    assert b"".join(reader.pieces) == b"1234512345"
    assert reader.is_finished


@pytest.mark.parametrize(("pieces", "is_read"), [(2, True), (9, False)])
def test_an_upload_may_be_slow_but_not_for_ever(pieces: int, *, is_read: bool) -> None:
    """Each piece comes in time; all of them need longer than one of them may."""
    waiting = [{**PIECE, "body": b"1"} for _ in range(pieces - 1)]
    waiting.append({**PIECE, "body": b"1", "more_body": False})

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.035)
        return waiting.pop(0)

    if is_read:
        assert read(receive).is_finished
        return
    with pytest.raises(TimeoutError):
        read(receive)
    assert waiting


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([PIECE], TimeoutError),
        ([PIECE, {"type": "http.disconnect"}], ClientDisconnect),
        ([PIECE, PIECE, {**PIECE, "more_body": False}], UploadTooLarge),
    ],
)
def test_a_body_that_is_late_broken_or_large_is_refused(
    values: list[dict[str, Any]], error: type[Exception]
) -> None:
    with pytest.raises(error):
        read(messages(*values))
