"""Serve the application with uvicorn, in one process or in several workers."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import wait
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import uvicorn
from fastapi import FastAPI
from prometheus_client import disable_created_metrics

from streamflow.api.active_keys import KeyRing
from streamflow.api.app import create_app
from streamflow.api.client_timeouts import Patient, wait_at_most
from streamflow.api.logs import open_log
from streamflow.api.middleware import keys_are_needed
from streamflow.api.state import ServingState
from streamflow.database import connect
from streamflow.errors import DatabaseUnavailable
from streamflow.platform import Platform, open_platform, require_migrated
from streamflow.settings import exported, load_settings
from streamflow.warehouse.roles import API

VENDORS = {
    "MLFLOW_CONFIGURE_LOGGING": "false",  # else MLflow writes its lines past our log
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # an MLflow server that is away is asked again a second later: its own pace is minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}
SWITCH_S = 0.0005  # how long a version that is being loaded may keep a request waiting; Python's own 5 ms add up
GRACE_S = 10  # for requests that are being answered when a signal comes
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where workers count together
IDLE_S = 15  # after which a connection on which nothing is asked is closed


def serve(platform: Platform, host: str, port: int, *, given: Mapping[str, str]) -> None:
    """Serve until a signal ends it: first what was asked is answered, then nothing more is taken.

    given   the settings that came as flags, as text: workers are processes of their own and get them as variables
    """
    _tell_if_away(platform)
    with ExitStack() as closing:
        closing.enter_context(exported(VENDORS))
        _raise_limit_of_files()
        workers = platform.settings.api_workers
        if workers == 1:
            target: Any = _application(platform, host)
        else:
            target = "streamflow.api.server:worker"
            counts = closing.enter_context(TemporaryDirectory(prefix="streamflow-api-"))
            own = {f"STREAMFLOW_{name.upper()}": value for name, value in given.items()}
            own |= {"STREAMFLOW_HOME": str(platform.home), "STREAMFLOW_API_HOST": host}
            closing.enter_context(exported({**own, SHARED_FOLDER: counts}))
            open_log(platform.settings.log_format, platform.settings.log_level)
        uvicorn.run(
            target,
            factory=workers > 1,
            workers=workers,
            host=host,
            port=port,
            http=Patient,
            ws="none",
            log_config=None,  # what uvicorn logs goes where open_log said
            log_level=platform.settings.log_level,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing of ours reads the address of a client
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=GRACE_S,
        )


def _tell_if_away(platform: Platform) -> None:
    """A database that is away is waited for beside the requests; one that is there has to be migrated. Raises NotMigrated."""
    try:
        require_migrated(platform)
    except DatabaseUnavailable as error:
        platform.notify(f"PostgreSQL does not answer; /ready says when it does: {error.message}")


def worker() -> FastAPI:
    """The application of one of several workers, which ends when the process that started it does."""
    _end_with_parent()
    settings = load_settings()
    closing = ExitStack()
    platform = closing.enter_context(open_platform(settings, role=API, migrated=False))
    return _application(platform, settings.api_host, closing=closing, shared=True)


def _application(
    platform: Platform, host: str, *, closing: ExitStack | None = None, shared: bool = False
) -> FastAPI:
    """What is logged, by whomever, goes through the one log of this process."""
    sys.setswitchinterval(SWITCH_S)
    gc.disable()  # until the first version is loaded: see reload.py
    settings, closing = platform.settings, closing or ExitStack()
    wait_at_most(settings.api_client_limit)
    log = open_log(settings.log_format, settings.log_level)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each counter, which nothing reads
    needed = keys_are_needed(settings, host)
    log.info(
        "keys are asked for" if needed else "keys are not asked for",
        setting=settings.api_auth,
        bound_to=host,
    )
    connecting = partial(connect, platform.address, autocommit=True)
    keys = closing.enter_context(KeyRing(connecting, log.warning).kept()) if needed else None
    state = ServingState(replace(platform, notify=log.info), shared=shared)
    return create_app(state, log, closing=closing, host=host, keys=keys)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, name="parent", daemon=True).start()


def _raise_limit_of_files() -> None:
    """Each connection is a file, and idle ones must not keep others out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
