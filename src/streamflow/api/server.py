"""The server: it runs the web application with uvicorn, in one process or in several workers."""

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

import uvicorn
from fastapi import FastAPI
from prometheus_client import disable_created_metrics

from streamflow.api.app import create_app
from streamflow.api.state import ServingState
from streamflow.database import connect
from streamflow.errors import DatabaseUnavailable
from streamflow.models.trial_process import TrialProcess
from streamflow.platform import Platform, open_platform, require_migrated
from streamflow.settings import load_settings, temporary_environment
from streamflow.warehouse.roles import API
from streamflow.web.active_keys import KeyRing
from streamflow.web.client_timeouts import set_client_timeout
from streamflow.web.key_requirement import keys_are_needed
from streamflow.web.logs import open_log
from streamflow.web.uvicorn_server import list_options, run_one_process

VENDOR_VARIABLES = {
    # Without this, MLflow writes its lines past our log.
    "MLFLOW_CONFIGURE_LOGGING": "false",
    # Ask an MLflow server that does not answer again after a second. By default MLflow waits for
    # minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}

# How long a thread may run before Python switches to the next one. It limits how long the loading
# of a version can delay a request. Python's own interval of 5 ms adds up.
THREAD_SWITCH_S = 0.0005

# The variable that names the folder in which workers count their metrics together.
SHARED_METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

MAX_OPEN_FILES = 65_536


def serve(
    platform: Platform,
    host: str,
    port: int,
    *,
    flag_settings: Mapping[str, str],
    trial: TrialProcess | None = None,
) -> None:
    """Serve until a signal arrives. Requests that have arrived before it are still answered.

    Args:
        platform: the platform of the API
        host: the address to bind to
        port: the port to bind to
        flag_settings: the settings that were given as flags, as text. Workers are processes of
            their own, and get them as environment variables.
        trial: a process that was started early to try the first version, if one process serves
    """
    _check_database(platform)
    with ExitStack() as closing:
        closing.enter_context(temporary_environment(VENDOR_VARIABLES))
        _raise_file_limit()
        workers = platform.settings.api_workers
        options = list_options(host, port, platform.settings.log_level)
        if workers == 1:
            run_one_process(_build_application(platform, host, trial=trial), options)
        else:
            _prepare_workers(platform, host, flag_settings, closing)
            target = "streamflow.api.server:worker"
            uvicorn.run(target, factory=True, workers=workers, **options)


def _prepare_workers(
    platform: Platform,
    host: str,
    flag_settings: Mapping[str, str],
    closing: ExitStack,
) -> None:
    """Set the environment variables from which the workers read their settings."""
    metrics_folder = closing.enter_context(TemporaryDirectory(prefix="streamflow-api-"))
    variables = {f"STREAMFLOW_{name.upper()}": value for name, value in flag_settings.items()}
    variables["STREAMFLOW_HOME"] = str(platform.home)
    variables["STREAMFLOW_API_HOST"] = host
    variables[SHARED_METRICS_VARIABLE] = metrics_folder
    closing.enter_context(temporary_environment(variables))
    open_log(platform.settings.log_format, platform.settings.log_level)


def _check_database(platform: Platform) -> None:
    """Check the schema of the database. Raises NotMigrated.

    The API also starts when the database does not answer, and then waits for it.
    """
    try:
        require_migrated(platform)
    except DatabaseUnavailable as error:
        platform.notify(
            f"PostgreSQL does not answer yet; /ready shows when it does: {error.message}"
        )


def worker() -> FastAPI:
    """Build the application of one of several workers. It ends when its parent process ends."""
    _end_with_parent()
    settings = load_settings()
    closing = ExitStack()
    platform = closing.enter_context(open_platform(settings, role=API, must_be_migrated=False))
    return _build_application(platform, settings.api_host, closing=closing, shared=True)


def _build_application(
    platform: Platform,
    host: str,
    *,
    closing: ExitStack | None = None,
    shared: bool = False,
    trial: TrialProcess | None = None,
) -> FastAPI:
    """Build the application, and send all log lines of this process to its one log."""
    sys.setswitchinterval(THREAD_SWITCH_S)
    # The garbage collector is off until the first version is loaded: see `streamflow.api.reload`.
    gc.disable()
    settings = platform.settings
    closing = closing or ExitStack()
    set_client_timeout(settings.api_client_limit)
    log = open_log(settings.log_format, settings.log_level)
    # Without this there is a second series beside each counter, which nothing reads.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    is_key_needed = keys_are_needed(settings, host)
    log.info(
        "requests need an API key" if is_key_needed else "requests need no API key",
        setting=settings.api_auth,
        bound_to=host,
    )
    keys = None
    if is_key_needed:
        open_connection = partial(connect, platform.address, autocommit=True)
        keys = closing.enter_context(KeyRing(open_connection, log.warning).keep_reading())
    state = ServingState(replace(platform, notify=log.info), shared=shared, trial=trial)
    return create_app(state, log, closing=closing, host=host, keys=keys)


def _end_with_parent() -> None:
    """Stop this process when its parent process ends."""
    parent = parent_process()
    assert parent is not None

    def watch_parent() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch_parent, name="parent", daemon=True).start()


def _raise_file_limit() -> None:
    """Allow more open files: each connection is one, and idle ones must not keep new ones out."""
    soft_limit, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    new_limit = MAX_OPEN_FILES
    if hard_limit != resource.RLIM_INFINITY:
        new_limit = min(hard_limit, MAX_OPEN_FILES)
    if soft_limit != resource.RLIM_INFINITY and soft_limit < new_limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (new_limit, hard_limit))
