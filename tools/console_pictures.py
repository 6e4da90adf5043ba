"""Draw the pictures of docs/console.md.

Run it as `python tools/console_pictures.py HOME`, with Chromium and Playwright installed. HOME is a
state folder of simulated data, because a picture shows users. It needs a scored drop, a version in
Production, a newer version, a report of `monitor`, and a running API that has answered requests.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import structlog
import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from streamflow.console.app import create_app
from streamflow.console.pages import user_address
from streamflow.console.state import ConsoleState, open_state
from streamflow.platform import Platform, open_platform
from streamflow.services.processes import free_port
from streamflow.services.surroundings import make_surroundings
from streamflow.settings import load_settings
from streamflow.steps.monitoring.stored_reports import list_reports
from streamflow.steps.serving.at_risk import RiskFilter, list_at_risk
from streamflow.steps.versions.version_record import list_versions
from streamflow.warehouse.roles import CONSOLE

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZE = {"width": 1280, "height": 860}
PATIENCE_MS = 300_000  # the gate's evidence takes some seconds
# Enough for flat colours and for the edges of letters; a third of the bytes of all colours.
COLOURS = 48


LOG = structlog.wrap_logger(
    structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger("error")
)


@contextmanager
def serve(state: ConsoleState) -> Iterator[str]:
    """Serve the console in a thread during the block; yield its address."""
    port = free_port()
    app = create_app(state, LOG, host="127.0.0.1")
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, ws="none"))
    Thread(target=server.run, daemon=True).start()
    while not server.started:
        sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True


def main(home: Path) -> None:
    """Draw a picture of each main page."""
    settings = load_settings(home=home)
    surroundings = make_surroundings(settings, home.absolute())
    with (
        open_platform(settings, role=CONSOLE) as platform,
        open_state(platform, None, LOG, surroundings=surroundings) as state,
        serve(state) as base,
        sync_playwright() as driver,
    ):
        pages = list_pages(platform)
        arguments = ["--no-sandbox"] if os.getuid() == 0 else []
        chromium: Any = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        for name, path in pages.items():
            page = chromium.new_page(viewport=SIZE, color_scheme="light")
            page.goto(base + path, timeout=PATIENCE_MS)
            save_small(page.screenshot(), IMAGES / f"console-{name}.png")
        chromium.close()


def list_pages(platform: Platform) -> dict[str, str]:
    """List the address of each page that is drawn, by the name of its picture."""
    users = list_at_risk(platform, RiskFilter(moved="up", limit=1)).users
    newest = list_versions(platform, limit=1)[0].version
    report = list_reports(platform, limit=1).reports[0].id
    return {
        "at-risk": "/at-risk?moved=up",
        "user": user_address(users[0].key),
        "portfolio": "/portfolio",
        "cohorts": "/portfolio?cohort=signup_date#cohorts",
        "version": f"/versions/{newest}",
        "promote": f"/versions/{newest}/promote",
        "production": "/production",
        "report": f"/monitoring/reports/{report}",
        "service": "/serving",
    }


def save_small(picture: bytes, file: Path) -> None:
    """Save a picture with few colours."""
    with Image.open(BytesIO(picture)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
