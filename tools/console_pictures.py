"""Draw the pictures of docs/console.md from an installation with a scored drop.

Run it as `python tools/console_pictures.py HOME`, with Chromium and Playwright installed. HOME is a
state folder of simulated data: a picture shows users.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import structlog
import uvicorn
from playwright.sync_api import sync_playwright

from streamflow.console.app import create_app
from streamflow.console.pages import user_address
from streamflow.console.state import ConsoleState, open_state
from streamflow.platform import open_platform
from streamflow.services.processes import free_port
from streamflow.settings import load_settings
from streamflow.steps.serving.at_risk import RiskFilter, list_at_risk
from streamflow.warehouse.roles import CONSOLE

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZE = {"width": 1280, "height": 860}


@contextmanager
def serve(state: ConsoleState) -> Iterator[str]:
    """Serve the console in a thread during the block; yield its address."""
    log = structlog.wrap_logger(
        structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger("error")
    )
    port = free_port()
    app = create_app(state, log, host="127.0.0.1")
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, ws="none"))
    Thread(target=server.run, daemon=True).start()
    while not server.started:
        sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True


def main(home: Path) -> None:
    """Draw a picture of each main page."""
    settings = load_settings(home=home)
    with (
        open_platform(settings, role=CONSOLE) as platform,
        open_state(platform, None) as state,
        serve(state) as base,
        sync_playwright() as driver,
    ):
        users = list_at_risk(platform, RiskFilter(moved="up", limit=1)).users
        pages = {
            "at-risk": "/at-risk?moved=up",
            "user": user_address(users[0].key),
            "portfolio": "/portfolio",
        }
        arguments = ["--no-sandbox"] if os.getuid() == 0 else []
        chromium: Any = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        for name, path in pages.items():
            page = chromium.new_page(viewport=SIZE, color_scheme="light")
            page.goto(base + path)
            page.screenshot(path=IMAGES / f"console-{name}.png")
        chromium.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
