"""The layers before the endpoints, without a network.

Bodies that do not arrive, keys that cannot be read, and when keys are needed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.api.strict_json import MAX_CONTAINERS, MAX_KEYS, loads
from streamflow.core.serving.api_keys import ApiKey, make_key, parse_key
from streamflow.settings import load_settings
from streamflow.web.body_limit import BodyLimit
from streamflow.web.host_check import allowed_hosts
from streamflow.web.key_requirement import keys_are_needed
from streamflow.web.request_context import NOTES, Notes

EVERYWHERE = "0.0.0.0"  # noqa: S104  # nothing is bound to it here


@pytest.mark.parametrize(
    ("auth", "host", "needed"),
    [
        ("auto", "127.0.0.1", False), ("auto", "::1", False), ("auto", "localhost", False),
        ("auto", "127.8.0.1", False),
        ("auto", EVERYWHERE, True), ("auto", "::", True), ("auto", "10.0.0.5", True),
        ("auto", "churn.example.com", True),
        ("auto", "localhost.example.com", True), ("auto", "", True), ("on", "127.0.0.1", True),
        ("off", EVERYWHERE, False),
    ],
)  # fmt: skip
def test_keys_are_needed_wherever_others_reach_the_api(auth: str, host: str, needed: bool) -> None:
    assert keys_are_needed(load_settings(api_auth=auth), host) is needed


def test_names_in_a_variable_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_API_ALLOWED_HOSTS", "api, churn.example.com,")
    hosts = load_settings().api_allowed_hosts
    assert hosts == ("api", "churn.example.com")
    assert allowed_hosts("10.0.0.5", hosts) == ("localhost", "127.0.0.1", "::1", "10.0.0.5", *hosts)


def bounded(
    messages: list[dict[str, Any]], headers: list[tuple[bytes, bytes]]
) -> tuple[list[bytes], int]:
    """What came through to the application, and the status of the answer."""
    came, statuses = [], []

    async def application(_: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        came.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200})

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.Event().wait()  # the client sends nothing more
        return messages.pop(0)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope: Any = {"type": "http", "headers": headers, NOTES: Notes(request_id="1")}
    asyncio.run(BodyLimit(application, max_bytes=10, timeout_s=0.2)(scope, receive, send))
    return came, statuses[0]


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_comes_whole_or_not_at_all() -> None:
    chunked = [(b"transfer-encoding", b"chunked")]
    assert bounded([part(b"12345", more=True), part(b"67890", more=False)], chunked) == (
        [b"1234567890"],
        200,
    )
    assert bounded([part(b"12345", more=True), part(b"678901", more=False)], chunked) == ([], 413)
    assert bounded([part(b"12345678901", more=True)], chunked) == ([], 413)
    assert bounded([part(b"12345", more=True)], chunked) == ([], 408)
    assert bounded([part(b"12345", more=True), {"type": "http.disconnect"}], chunked) == ([], 408)
    assert bounded([part(b"x" * 11, more=False)], [(b"content-length", b"11")]) == ([], 413)
    assert bounded([], [(b"content-length", b"11"), (b"expect", b"100-continue")]) == ([], 413)
    assert bounded([part(b"", more=False)], []) == ([b""], 200)


def test_a_key_ends_by_the_clock() -> None:
    new, now = make_key(), datetime.now(UTC)
    key = ApiKey(
        id=new.id,
        name="a",
        scope="read",
        digest=new.digest,
        created=now,
        expires=now + timedelta(days=1),
        revoked=None,
    )
    assert [key.state(now + timedelta(hours=hours)) for hours in (0, 23, 24, 25)] == [
        "in force",
        "in force",
        "expired",
        "expired",
    ]
    parsed = parse_key(new.text.encode())
    assert parsed is not None
    assert key.matches_secret(parsed[1])
    assert not key.matches_secret(parsed[1][:-1])
    assert len({make_key().text for _ in range(100)}) == 100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_what_is_json_is_read_as_everybody_reads_it(value: dict[str, Any]) -> None:
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only).encode()
        assert loads(text) == json.loads(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_by_one_error(body: bytes) -> None:
    for text in (body, b'{"a": "' + body + b'"}'):
        with suppress(json.JSONDecodeError):  # and any other error fails
            json.dumps(loads(text), ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("text", "depth"), [("[" * 17 + "]" * 17, 17), ("[" + "[]," * 16 + "1]", 17)]
)
def test_nesting_is_bounded_and_brackets_in_text_are_text(text: str, depth: int) -> None:
    assert depth == MAX_CONTAINERS + 1
    with pytest.raises(json.JSONDecodeError, match="too many objects and arrays"):
        loads(text.encode())
    assert loads(json.dumps({"a": text, '"': "[" * 50}).encode()) == {"a": text, '"': "[" * 50}


def test_the_keys_of_an_object_are_bounded() -> None:
    """Else a body of 1 MB has 100,000 mistakes, and to list them takes seconds."""
    allowed = {f"{number}": None for number in range(MAX_KEYS)}
    assert loads(json.dumps(allowed).encode()) == allowed
    with pytest.raises(json.JSONDecodeError, match="too many keys"):
        loads(json.dumps({"a": {**allowed, "b": None}}).encode())


def test_a_body_that_is_too_large_and_has_no_end_is_read_slowly() -> None:
    """Else a few clients that send such bodies take all the time of the event loop."""
    count = 100_000
    messages = [part(b"12345678901", more=True)] * count
    _, status = bounded(messages, [(b"transfer-encoding", b"chunked")])
    assert status == 413
    assert count - len(messages) < 10
