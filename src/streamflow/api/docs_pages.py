"""The pages /docs and /redoc. They need no other host: their scripts are in `page_files`.

`make api-pages` copies the scripts from npm. The security policy of a page allows only this API and
what FastAPI writes into the page.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, Response

INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)

SWAGGER_SCRIPT = "/docs/swagger-ui-bundle.js"
SWAGGER_STYLE = "/docs/swagger-ui.css"
ICON = "/docs/favicon-32x32.png"
REDOC_SCRIPT = "/redoc/redoc.standalone.js"

# The paths of the files that the pages load. The last part is the name in FILES_FOLDER.
PAGE_FILE_PATHS = (SWAGGER_SCRIPT, SWAGGER_STYLE, ICON, REDOC_SCRIPT)
FILES_FOLDER = Path(__file__).parent / "page_files"


def add_pages(app: FastAPI, root_path: str) -> None:
    """Add the pages /docs and /redoc to the application, and the files that they load.

    Args:
        root_path: the prefix of all paths that a browser sees, from the setting api_root_path
    """
    assert app.openapi_url is not None
    openapi_url = root_path + app.openapi_url
    swagger = get_swagger_ui_html(
        openapi_url=openapi_url,
        title=app.title,
        swagger_js_url=root_path + SWAGGER_SCRIPT,
        swagger_css_url=root_path + SWAGGER_STYLE,
        swagger_favicon_url=root_path + ICON,
        # By default the page shows the verdict of a validator on the internet.
        swagger_ui_parameters={"validatorUrl": None},
    )
    redoc = get_redoc_html(
        openapi_url=openapi_url,
        title=app.title,
        redoc_js_url=root_path + REDOC_SCRIPT,
        redoc_favicon_url=root_path + ICON,
        with_google_fonts=False,
    )
    for path, response in (("/docs", swagger), ("/redoc", redoc)):
        html = bytes(response.body).decode()
        page = HTMLResponse(html, headers={"Content-Security-Policy": policy(html)})
        app.get(path, include_in_schema=False, response_class=HTMLResponse)(_serve(page))
    for path in PAGE_FILE_PATHS:
        app.get(path, include_in_schema=False, response_class=Response)(_serve_file(path))


def _serve(page: HTMLResponse) -> Callable[[], Awaitable[HTMLResponse]]:
    async def get_page() -> HTMLResponse:
        return page

    return get_page


def _serve_file(path: str) -> Callable[[], Awaitable[FileResponse]]:
    file = FILES_FOLDER / path.rpartition("/")[2]

    async def get_file() -> FileResponse:
        return FileResponse(file)

    return get_file


def policy(page: str) -> str:
    """Return the Content-Security-Policy of an HTML page.

    The policy allows the files of this API, and the inline scripts of the page by their hash.

    >>> policy('<script src="/docs/a.js"></script><script>1</script>').split("; ")[1]
    "script-src 'self' 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='"
    """
    hashes = "".join(f" {_hash_source(script)}" for script in INLINE_SCRIPT.findall(page))
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self'{hashes}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "worker-src blob:",
            "frame-ancestors 'none'",
        ]
    )


def _hash_source(script: str) -> str:
    digest = sha256(script.encode()).digest()
    return f"'sha256-{b64encode(digest).decode()}'"
