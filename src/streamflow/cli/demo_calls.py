"""The API calls of the demo: the calls of the original project, over HTTP."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamflow.cli.context import Invocation
from streamflow.errors import ServiceFailed

if TYPE_CHECKING:
    from streamflow.platform import Platform

# The API of the demo needs no key. It listens only on this machine, and only during the demo.
API_SETTINGS = {"STREAMFLOW_API_AUTH": "off"}

# A key that no user has, for each type of key: the one of the original project, and a number that
# no counter reaches.
UNKNOWN_KEYS = {"string": "999999", "int": str(2**63 - 1)}

CALL_TIMEOUT_S = 30


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """One request of the demo and its answer."""

    method: str
    path: str
    status: int
    answer: dict[str, Any]


def read_first_key(platform: Platform, folder: Path) -> str:
    """Read the key of the first entity in the files of a drop."""
    from streamflow.files.table_files import read_header, read_records

    catalog = platform.catalog
    table = catalog.entity.table
    path = folder / catalog.file(table)
    file_format = catalog.file_format(table)
    key_header = catalog.headers(table)[catalog.entity.key]
    column = read_header(path, file_format).index(key_header)
    first_record = read_records(path, {0}, file_format)[0]
    return first_record.cells[column]


def call_api(platform: Platform, call: Invocation, key: str) -> list[ApiCall]:
    """Start the API with the command `serve` on a free port, and call it.

    Raises ServiceFailed if an answer is not as expected.
    """
    from streamflow.services.processes import free_port, running, wait_until_ready
    from streamflow.settings import inherited_environment

    port = free_port()
    log = platform.home / "logs" / "api.log"
    base = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-P", "-m", "streamflow", *call.flag_arguments()]
    command += ["serve", "--port", str(port)]
    environment = {**inherited_environment(), **API_SETTINGS}
    entity = platform.catalog.entity
    known_user = {entity.key: _typed_key(platform, key)}
    unknown_user = {entity.key: _typed_key(platform, UNKNOWN_KEYS[entity.type])}
    with running(command, environment=environment, log=log) as child:
        call.notify(f"starting the API at {base}")
        wait_until_ready(f"{base}/ready", child, name="the API", log=log)
        calls = [
            _expect(base, "GET", "/health", 200),
            _expect(base, "GET", f"/features/{key}", 200),
            _expect(base, "POST", "/predict", 200, known_user),
            _expect(base, "POST", "/predict", 404, unknown_user),
        ]
    answer = calls[-1].answer
    if "missing_features" not in answer:
        raise ServiceFailed(f"the answer for an unknown key has no missing_features: {answer}")
    return calls


def _typed_key(platform: Platform, key: str) -> str | int:
    return int(key) if platform.catalog.entity.type == "int" else key


def _expect(
    base: str,
    method: str,
    path: str,
    expected_status: int,
    body: dict[str, Any] | None = None,
) -> ApiCall:
    """Make a request. Raises ServiceFailed if its answer has a different status."""
    status, content = _request(base + path, method, body)
    if status != expected_status:
        text = content.decode(errors="replace")
        raise ServiceFailed(
            f"{method} {path} was answered with {status} instead of {expected_status}: {text}"
        )
    return ApiCall(
        method=method,
        path=path if body is None else f"{path} {json.dumps(body)}",
        status=status,
        answer=json.loads(content),
    )


def _request(url: str, method: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
    """Make a request to our own API, and return the status and the content of its answer.

    The URL is always an http address of this machine.
    """
    request = urllib.request.Request(  # noqa: S310
        url,
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=CALL_TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
