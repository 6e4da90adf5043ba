"""The API as the command `serve`, over real HTTP."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from streamflow.platform import Platform
from streamflow.services.processes import free_port, running, wait_until_ready
from support.fork_server import forked

SERVERS: dict[str, int] = {}  # address -> process id of each server


class Answer(NamedTuple):
    """Status and JSON of an answer."""

    status: int
    body: dict[str, Any]


@contextmanager
def served(
    platform: Platform,
    *,
    until: str = "/ready",
    extra: Mapping[str, str] | None = None,
    forks: bool = True,
) -> Iterator[str]:
    """Serve the platform's installation in its own process.

    Yield the address once `until` answers with 200.

    The process is a fork that need not import the libraries: see `support.fork_server`.
    Without `forks` it is the command itself, and so are its workers.
    """
    settings, port = platform.settings, free_port()
    variables = {
        "STREAMFLOW_HOME": str(platform.home),
        "STREAMFLOW_MLFLOW_DATABASE": settings.mlflow_database,
        # The imports of one more process take seconds. The tests of `version_trial` have it on.
        "STREAMFLOW_API_TRIAL": "off",
    }
    if settings.database_url:
        variables["STREAMFLOW_DATABASE_URL"] = settings.database_url.get_secret_value()
    if settings.catalog:
        variables["STREAMFLOW_CATALOG"] = str(settings.catalog)
    log = platform.home / "logs" / "api.log"
    arguments = ["serve", "--port", str(port)]
    environment = {**os.environ, **variables, **(extra or {})}
    base = f"http://127.0.0.1:{port}"
    if forks:
        process: Any = forked(arguments, environment=environment, log=log)
    else:
        command = [sys.executable, "-m", "streamflow", *arguments]
        process = running(command, environment=environment, log=log)
    with process as child:
        wait_until_ready(f"{base}{until}", child, name="the API", log=log)
        SERVERS[base] = child.pid
        yield base


def asked(url: str, body: object = None) -> Answer:
    """GET, or POST of a JSON body."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310  # our address
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return Answer(answer.status, json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, json.load(error))
