"""The pages /docs and /redoc. Their security policy allows only what FastAPI writes into them."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse

EXTERNAL_LINK = re.compile(r'(?:src|href)="(https://[^"]+)"')
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def add_pages(app: FastAPI) -> None:
    """Add the pages /docs and /redoc to the application."""
    assert app.openapi_url is not None
    swagger = get_swagger_ui_html(openapi_url=app.openapi_url, title=app.title)
    redoc = get_redoc_html(openapi_url=app.openapi_url, title=app.title, with_google_fonts=False)
    for path, response in (("/docs", swagger), ("/redoc", redoc)):
        html = bytes(response.body).decode()
        page = HTMLResponse(html, headers={"Content-Security-Policy": policy(html)})
        app.get(path, include_in_schema=False, response_class=HTMLResponse)(_serve_page(page))


def _serve_page(page: HTMLResponse) -> Callable[[], Awaitable[HTMLResponse]]:
    async def get_page() -> HTMLResponse:
        return page

    return get_page


def policy(page: str) -> str:
    """Return the Content-Security-Policy of an HTML page.

    The policy allows the hosts that the page links to, and its inline scripts by their hash.

    >>> html = '<script src="https://cdn.example.com/a.js"></script><script>1</script>'
    >>> policy(html).split("; ")[1]
    "script-src https://cdn.example.com 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='"
    """
    origins = {f"https://{urlsplit(link).netloc}" for link in EXTERNAL_LINK.findall(page)}
    hosts = " ".join(sorted(origins))
    hashes = " ".join(_hash_source(script) for script in INLINE_SCRIPT.findall(page))
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {hosts} {hashes}".rstrip(),
            f"style-src {hosts} 'unsafe-inline'",
            f"img-src 'self' data: {hosts}",
            "connect-src 'self'",
            "worker-src blob:",
            "frame-ancestors 'none'",
        ]
    )


def _hash_source(script: str) -> str:
    digest = sha256(script.encode()).digest()
    return f"'sha256-{b64encode(digest).decode()}'"
