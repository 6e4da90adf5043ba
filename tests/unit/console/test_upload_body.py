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


def read(receive: Receive, *, piece_limit: float = 0.05, upload_limit: float = 0.12) -> Pieces:
    reader: Any = Pieces()
    settings = SimpleNamespace(
        api_client_limit=piece_limit, console_upload_limit=upload_limit, console_max_upload=12
    )
    state: Any = SimpleNamespace(platform=SimpleNamespace(settings=settings))
    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    asyncio.run(upload_pages._read_body(request, state, reader))
    return reader


def test_a_body_is_read_to_its_end() -> None:
    reader = read(messages(PIECE, {**PIECE, "more_body": False}))
    assert b"".join(reader.pieces) == b"1234512345"
    assert reader.is_finished


def slow_messages(pieces: int, pause_s: float) -> Receive:
    """Give so many pieces of one byte, each after a pause."""
    waiting = [{**PIECE, "body": b"1"} for _ in range(pieces - 1)]
    waiting.append({**PIECE, "body": b"1", "more_body": False})

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause_s)
        return waiting.pop(0)

    return receive


def test_an_upload_may_be_slow() -> None:
    """Each piece comes in time, also on a busy machine; both need longer than one of them may."""
    assert read(slow_messages(2, 0.6), piece_limit=1.0, upload_limit=60.0).is_finished


def test_an_upload_does_not_last_for_ever() -> None:
    with pytest.raises(TimeoutError):
        read(slow_messages(9, 0.035), piece_limit=60.0, upload_limit=0.12)


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
