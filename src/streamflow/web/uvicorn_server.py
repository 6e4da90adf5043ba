"""How both HTTP services run uvicorn."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI

from streamflow.interrupts import stop_repeating
from streamflow.web.http_protocol import HttpProtocol

# A connection without a request is closed after this time.
IDLE_CONNECTION_S = 15
# How long the server waits for the requests that it is answering when a signal arrives.
SHUTDOWN_TIMEOUT_S = 10
# The exit code of uvicorn itself, which has logged the reason.
START_FAILED_EXIT_CODE = 3


def list_options(host: str, port: int, log_level: str) -> dict[str, Any]:
    """List the options of uvicorn that both services have."""
    return {
        "host": host,
        "port": port,
        "http": HttpProtocol,
        "ws": "none",
        # The lines of uvicorn go where `open_log` sends them.
        "log_config": None,
        "log_level": log_level,
        "access_log": False,
        "server_header": False,
        # Nothing reads the address of a client.
        "proxy_headers": False,
        "timeout_keep_alive": IDLE_CONNECTION_S,
        "timeout_graceful_shutdown": SHUTDOWN_TIMEOUT_S,
    }


def run_one_process(application: FastAPI, options: dict[str, Any]) -> None:
    """Serve an application in this process until a signal arrives.

    Ctrl-C before the server has started is raised as KeyboardInterrupt. (`uvicorn.run` would
    report a failed start.) Afterwards Ctrl-C is the ordinary end.
    """
    server = uvicorn.Server(uvicorn.Config(application, **options))
    try:
        server.run()
    except KeyboardInterrupt:
        if not server.started:
            raise
        stop_repeating()
    if not server.started:
        sys.exit(START_FAILED_EXIT_CODE)
