"""Serve the application with uvicorn."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import uvicorn
from prometheus_client import disable_created_metrics

from streamflow.api.app import create_app
from streamflow.api.fence import keys_are_needed
from streamflow.api.keyring import KeyRing
from streamflow.api.logs import open_log
from streamflow.api.state import ServingState
from streamflow.database import connect
from streamflow.platform import Platform
from streamflow.settings import exported

QUIET = {"MLFLOW_CONFIGURE_LOGGING": "false"}  # else MLflow writes its lines past our log


def serve(platform: Platform, host: str, port: int) -> None:
    """Serve until a signal ends it. What is logged, by whomever, goes through the one log of this process."""
    settings = platform.settings
    log = open_log(settings.log_format, settings.log_level)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each counter, which nothing reads
    needed = keys_are_needed(settings, host)
    log.info("keys are asked for" if needed else "keys are not asked for", setting=settings.api_auth, bound_to=host)
    with exported(QUIET), ExitStack() as closing:
        keys = (
            closing.enter_context(KeyRing(partial(connect, platform.address, autocommit=True), log.warning).kept())
            if needed
            else None
        )
        app = create_app(ServingState(replace(platform, notify=log.info)), log, host=host, keys=keys)
        uvicorn.run(
            app,
            host=host,
            port=port,
            log_config=None,  # what uvicorn logs goes where open_log said
            log_level=settings.log_level,
            access_log=False,
            server_header=False,
            ws="none",  # no endpoint speaks it: nothing gets past what looks at requests
        )
