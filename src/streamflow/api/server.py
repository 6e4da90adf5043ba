"""Serve the application with uvicorn."""

from __future__ import annotations

import uvicorn

from streamflow.api.app import create_app
from streamflow.api.state import ServingState
from streamflow.platform import Platform


def serve(platform: Platform, host: str, port: int) -> None:
    """Serve until a signal ends it."""
    app = create_app(ServingState(platform))
    uvicorn.run(app, host=host, port=port, log_level=platform.settings.log_level, access_log=False, server_header=False)
