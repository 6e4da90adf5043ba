"""Send one request to an address that a setting names, in a limited time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from threading import Thread
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)


@dataclass(frozen=True, kw_only=True)
class PostAnswer:
    """The answer of a receiver.

    status   the HTTP status; None when there was no answer
    problem  why the request was not accepted; empty for a status from 200 to 299
    """

    status: int | None
    problem: str

    @property
    def is_accepted(self) -> bool:
        """Tell whether the receiver took what was sent."""
        return not self.problem


def post(url: str, body: bytes, headers: Mapping[str, str], *, limit_s: float) -> PostAnswer:
    """Send a POST request, and wait for the answer for `limit_s` seconds at most.

    The limit covers name resolution and slow receivers, too, which a time-out of a socket does
    not: so a thread of its own sends. A redirect is an answer like any other; it is not followed.
    """
    answers: list[PostAnswer] = []

    def send() -> None:
        answers.append(_send(url, body, headers, limit_s))

    sender = Thread(target=send, name="post", daemon=True)
    sender.start()
    sender.join(limit_s)
    if answers:
        return answers[0]
    return PostAnswer(status=None, problem=_describe(TimeoutError(), limit_s))


def name_receiver(url: str) -> str:
    """Return host and port of an address, for messages: its path or query may be a secret.

    >>> name_receiver("https://hooks.example.com/services/T0/secret")
    'hooks.example.com'
    """
    return urlsplit(url).netloc.rpartition("@")[2]


def _send(url: str, body: bytes, headers: Mapping[str, str], limit_s: float) -> PostAnswer:
    request = Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310
    try:
        with _make_opener().open(request, timeout=limit_s) as response:
            status = int(response.status)
    except (URLError, HTTPException, OSError, ValueError) as exc:
        return PostAnswer(status=None, problem=_describe(exc, limit_s))
    if 200 <= status < 300:
        return PostAnswer(status=status, problem="")
    return PostAnswer(status=status, problem=f"HTTP status {status}")


def _make_opener() -> OpenerDirector:
    """Return an opener of http and https that follows no redirect and raises for no status."""
    opener = OpenerDirector()
    for handler in (ProxyHandler(), UnknownHandler(), HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    return opener


def _describe(error: Exception, limit_s: float) -> str:
    """Describe a failed request without the address, which may hold a secret."""
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, Exception) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {limit_s:g} s"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(cause).__name__
