"""The pages that describe the API. Their policy lets in what FastAPI writes into them, and nothing else."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse

LINKED = re.compile(r'(?:src|href)="(https://[^"]+)"')
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def add_pages(app: FastAPI) -> None:
    """Add /docs and /redoc."""
    assert app.openapi_url is not None
    swagger = get_swagger_ui_html(openapi_url=app.openapi_url, title=app.title)
    redoc = get_redoc_html(openapi_url=app.openapi_url, title=app.title, with_google_fonts=False)
    for path, made in (("/docs", swagger), ("/redoc", redoc)):
        text = bytes(made.body).decode()
        page = HTMLResponse(text, headers={"Content-Security-Policy": policy(text)})
        app.get(path, include_in_schema=False, response_class=HTMLResponse)(_always(page))


def _always(page: HTMLResponse) -> Callable[[], Awaitable[HTMLResponse]]:
    async def shown() -> HTMLResponse:
        return page

    return shown


def policy(page: str) -> str:
    """The Content-Security-Policy of a page: the places that it links to, and its own scripts by their hash.

    >>> policy('<script src="https://cdn.example.com/a.js"></script><script>1</script>').split("; ")[1]
    "script-src https://cdn.example.com 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='"
    """
    places = " ".join(sorted({f"https://{urlsplit(link).netloc}" for link in LINKED.findall(page)}))
    own = " ".join(
        f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
        for script in INLINE.findall(page)
    )
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {places} {own}".rstrip(),
            f"style-src {places} 'unsafe-inline'",
            f"img-src 'self' data: {places}",
            "connect-src 'self'",
            "worker-src blob:",
            "frame-ancestors 'none'",
        ]
    )
