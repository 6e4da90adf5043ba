"""The host that a request names, and what each answer tells a browser."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamflow.api.refusals import refuse
from streamflow.api.security_headers import HEADERS, POLICY

NAMED = re.compile(rb"(?:\[([0-9a-f:.]+)\]|([^\[\]:]+))(?::[0-9]+)?")
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
    """The host of a request without its port; nothing when it names several, or none that is one."""
    given = [value for name, value in scope["headers"] if name == b"host"]
    found = NAMED.fullmatch(given[0].lower()) if len(given) == 1 else None
    return b"" if found is None else found[1] or found[2]


def allowed_hosts(bound: str, given: tuple[str, ...]) -> tuple[str, ...]:
    """The hosts that may be named. Those of loopback always: no page can make them its own.

    >>> allowed_hosts("10.0.0.5", ("churn.example.com",))
    ('localhost', '127.0.0.1', '::1', '10.0.0.5', 'churn.example.com')
    """
    return (*LOOPBACK, bound, *given)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("churn.example.com")
    (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
