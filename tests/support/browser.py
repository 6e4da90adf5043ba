"""A real browser: Debian's Chromium, driven by Playwright, and a console for it in a thread."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from time import monotonic, sleep
from typing import Any

import uvicorn

from streamflow.services.processes import free_port

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve in a thread of this process."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, ws="none"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    end = monotonic() + 30
    while not server.started and monotonic() < end:
        sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@contextmanager
def chromium_of(driver: Any) -> Iterator[Any]:
    """Start Chromium, and close it at the end."""
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    chromium = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
    yield chromium
    chromium.close()
