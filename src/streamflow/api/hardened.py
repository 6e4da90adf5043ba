"""The host that a request names, and what each answer tells a browser."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamflow.api.headers import HEADERS, POLICY
from streamflow.api.refusals import refuse

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Hardened:
    """ASGI middleware: 400 for a host that is not allowed, as a page would name that rebinds its own name to this address."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str]) -> None:
        self._app, self._hosts = app, frozenset(host.lower().encode() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the host, and add the headers to whatever is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                added = HEADERS[:-1] if any(name == POLICY for name, _ in given) else HEADERS
                message["headers"] = [*given, *added]
            await send(message)

        if b"*" in self._hosts or _host(scope) in self._hosts:
            await self._app(scope, receive, sending)
        else:
            words = "this host is not one of the setting api_allowed_hosts"
            await refuse(scope, receive, sending, 400, words)


def _host(scope: Scope) -> bytes:
    """The host of a request without its port; nothing when it names several."""
    given = [value for name, value in scope["headers"] if name == b"host"]
    host = given[0].lower() if len(given) == 1 else b""
    return host[1:].partition(b"]")[0] if host.startswith(b"[") else host.partition(b":")[0]


def allowed_hosts(bound: str, given: tuple[str, ...]) -> tuple[str, ...]:
    """The hosts that may be named: those given, else loopback and the one bound to.

    >>> allowed_hosts("0.0.0.0", ("churn.example.com",))
    ('churn.example.com',)
    """
    return given or (*LOOPBACK, bound)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("churn.example.com")
    (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
