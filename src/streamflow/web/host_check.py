"""The check of the host that a request names, and the security headers of every answer.

There is no Strict-Transport-Security header. TLS ends at a proxy, and only the proxy knows whether
its whole host uses HTTPS. Over plain HTTP a browser ignores this header.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamflow.web.refusals import refuse

HOST_HEADER = re.compile(rb"(?:\[([0-9a-f:.]+)\]|([^\[\]:]+))(?::[0-9]+)?")
LOOPBACK = ("localhost", "127.0.0.1", "::1")

PAGE_POLICY = b"content-security-policy"
SECURITY_HEADERS = (
    # An answer is about a person, and it is true only at its instant.
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # A path may contain the key of a person.
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    # This one must stand last: it is left out where a page brings its own policy.
    (PAGE_POLICY, b"default-src 'none'; frame-ancestors 'none'"),
)


class HostCheck:
    """ASGI middleware that answers 400 for a host that is not allowed, and adds security headers.

    It prevents DNS rebinding: a web page makes its own host name point to this address, and then
    calls the API from the browser of a user.
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower().encode() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the host of the request, and add the headers to every answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                has_policy = any(name == PAGE_POLICY for name, _ in headers)
                security_headers = SECURITY_HEADERS[:-1] if has_policy else SECURITY_HEADERS
                message["headers"] = [*headers, *security_headers]
            await send(message)

        if b"*" in self._hosts or read_host(scope) in self._hosts:
            await self._app(scope, receive, send_with_headers)
        else:
            message = "this host is not in the setting api_allowed_hosts"
            await refuse(scope, receive, send_with_headers, 400, message)


def read_host(scope: Scope) -> bytes:
    """Read the host of a request, without its port.

    The result is empty if the request names no host, several hosts, or a malformed host.
    """
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1:
        return b""
    match = HOST_HEADER.fullmatch(hosts[0].lower())
    if match is None:
        return b""
    ipv6_address, name_or_ipv4 = match.groups()
    return ipv6_address or name_or_ipv4


def allowed_hosts(bound_host: str, configured_hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the hosts that a request may name.

    The names of loopback are always allowed, because no web page can take them as its own name.

    Args:
        bound_host: the host that the API is bound to
        configured_hosts: the hosts of the setting api_allowed_hosts

    >>> allowed_hosts("10.0.0.5", ("churn.example.com",))
    ('localhost', '127.0.0.1', '::1', '10.0.0.5', 'churn.example.com')
    """
    return (*LOOPBACK, bound_host, *configured_hosts)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost")
    (True, True)
    >>> is_loopback("0.0.0.0"), is_loopback("churn.example.com")
    (False, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
