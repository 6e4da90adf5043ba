"""Serve the application with uvicorn."""

from __future__ import annotations

from dataclasses import replace

import uvicorn
from prometheus_client import disable_created_metrics

from streamflow.api.app import create_app
from streamflow.api.logs import open_log
from streamflow.api.state import ServingState
from streamflow.platform import Platform
from streamflow.settings import exported

QUIET = {"MLFLOW_CONFIGURE_LOGGING": "false"}  # else MLflow writes its lines past our log


def serve(platform: Platform, host: str, port: int) -> None:
    """Serve until a signal ends it. What is logged, by whomever, goes through the one log of this process."""
    settings = platform.settings
    log = open_log(settings.log_format, settings.log_level)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each counter, which nothing reads
    app = create_app(ServingState(replace(platform, notify=log.info)), log)
    with exported(QUIET):
        uvicorn.run(
            app,
            host=host,
            port=port,
            log_config=None,  # what uvicorn logs goes where open_log said
            log_level=settings.log_level,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing of ours reads the address of a client
        )
