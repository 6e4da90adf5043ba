"""Which address the browser of a person opens for the page of a different tool."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from streamflow.web.host_check import is_loopback

# A service that is bound to one of these is reached by the name that the person used for us.
EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  # nothing is bound here
SCHEMES = ("http", "https")


def choose_pages(pages: Mapping[str, str], visitor_host: str) -> dict[str, str]:
    """Return the pages that a person can open, each with its address.

    Args:
        pages: tool -> the address of its page, as the installation knows it
        visitor_host: the host by which the person reached us, without a port
    """
    addresses = {tool: choose_page(address, visitor_host) for tool, address in pages.items()}
    return {tool: address for tool, address in addresses.items() if address}


def choose_page(address: str, visitor_host: str) -> str:
    """Return the address of a page for a person; empty if the person cannot open it.

    An address of loopback is returned only if the person reached us by such an address, too.

    >>> choose_page("http://0.0.0.0:5000/x", "churn.example.com")
    'http://churn.example.com:5000/x'
    >>> choose_page("http://127.0.0.1:5000", "localhost")
    'http://127.0.0.1:5000'
    >>> choose_page("http://127.0.0.1:5000", "churn.example.com")
    ''
    >>> choose_page("javascript:alert(1)", "localhost"), choose_page("http://[::1", "localhost")
    ('', '')
    """
    try:
        url = urlsplit(address)
        host, port_number = url.hostname or "", url.port
    except ValueError:  # such as http://[::1
        return ""
    if url.scheme not in SCHEMES or not host or "@" in url.netloc:
        return ""
    if host in EVERY_ADDRESS:
        if not visitor_host:
            return ""
        shown_host = f"[{visitor_host}]" if ":" in visitor_host else visitor_host
        port = f":{port_number}" if port_number else ""
        return url._replace(netloc=f"{shown_host}{port}").geturl()
    if is_loopback(host) and not is_loopback(visitor_host):
        return ""
    return address


def run_address(page: str, run_id: str) -> str:
    """Return the address at which Prefect shows a run of a flow.

    >>> run_address("http://localhost:4200", "1a")
    'http://localhost:4200/runs/flow-run/1a'
    """
    return f"{page.rstrip('/')}/runs/flow-run/{run_id}"
