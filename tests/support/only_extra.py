"""Work in a process that can import the packages of one extra alone, as pip would install them.

    python only_extra.py EXTRA api|console REQUEST…     such as "GET /ready"
    python only_extra.py EXTRA command ARGUMENTS…       such as "models --json"

The last line of the output is JSON: the status of each request or the exit code of each command,
and the packages that were missed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    distribution,
    packages_distributions,
)
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from streamflow.packages import DISTRIBUTION

CLIENT = "httpx"  # asks the applications; the server of a stranger has none
READY_LIMIT_S = 60.0
BODY = "7590-VHVEG"  # the user of every POST


def list_needed(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield what a distribution with these extras requires here, each with its own extras."""
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def close_over(name: str, *extras: str) -> set[str]:
    """Return every distribution that pip installs for a distribution with these extras."""
    waiting = [(canonicalize_name(name), frozenset(extras))]
    seen = set()
    while waiting:
        item = waiting.pop()
        if item in seen:
            continue
        try:
            waiting += list_needed(*item)
        except PackageNotFoundError:
            continue  # an extra of a vendor that nobody installed
        seen.add(item)
    return {name for name, _ in seen}


class FewPackages:
    """Finds modules as Python does, but none of the distributions that the extra does not bring."""

    def __init__(self, allowed: set[str]) -> None:
        self.missed: set[str] = set()
        self._allowed = allowed
        self._absent: set[str] = set()
        self._hidden_files: set[str] = set()
        for module, names in packages_distributions().items():
            owners = {canonicalize_name(name) for name in names}
            if not allowed & owners:
                self._absent.add(module)
            # Some modules are of two distributions, as mlflow is of mlflow-skinny and mlflow.
            elif owners - allowed:
                self._hidden_files |= set(list_files(owners - allowed))

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package = name.partition(".")[0]
        if package in self._absent:
            self.missed.add(package)
            return None
        spec = PathFinder.find_spec(name, path, target)
        return None if spec and spec.origin in self._hidden_files else spec

    def find_distributions(self, context: Any) -> Iterator[Distribution]:
        for found in PathFinder.find_distributions(context):
            if canonicalize_name(found.metadata["Name"]) in self._allowed:
                yield found


def list_files(names: set[str]) -> Iterator[str]:
    """Yield the path of each file of some distributions."""
    for name in names:
        installed = distribution(name)
        for file in installed.files or ():
            yield str(installed.locate_file(file))


async def send(client: Any, request: str) -> int:
    """Send a request and return its status; /ready may take some seconds to become 200."""
    method, _, path = request.partition(" ")
    body = {"json": {"user_id": BODY}} if method == "POST" else {}
    deadline = time.monotonic() + READY_LIMIT_S
    while True:
        answer = await client.request(method, path, **body)
        if path != "/ready" or answer.status_code == 200 or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.05)
    if answer.status_code != 200:
        print(request, answer.status_code, answer.text, file=sys.stderr)
    return int(answer.status_code)


def send_all(name: str, requests: Sequence[str]) -> dict[str, int]:
    """Run an application in this process, and return the status of each request."""
    import httpx

    from streamflow.platform import open_platform
    from streamflow.settings import load_settings
    from streamflow.warehouse.roles import API, CONSOLE

    async def send_each(app: Any) -> dict[str, int]:
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            return {request: await send(client, request) for request in requests}

    role = {"api": API, "console": CONSOLE}[name]
    with ExitStack() as closing:
        platform = closing.enter_context(open_platform(load_settings(), role=role))
        return asyncio.run(send_each(build_application(name, platform, closing)))


def build_application(name: str, platform: Any, closing: ExitStack) -> Any:
    """Return the application as the commands `serve` and `console` build it."""
    if name == "api":
        from streamflow.api.server import _build_application

        return _build_application(platform, "127.0.0.1")
    from streamflow.console.app import create_app
    from streamflow.console.state import open_state
    from streamflow.services.surroundings import make_surroundings
    from streamflow.web.logs import open_log

    log = open_log("console", "info")
    surroundings = make_surroundings(platform.settings, platform.home)
    state = closing.enter_context(open_state(platform, None, log, surroundings=surroundings))
    return create_app(state, log, host="127.0.0.1")


def run_commands(commands: Sequence[str]) -> dict[str, int]:
    """Run command lines in this process, and return the exit code of each."""
    from streamflow.cli.app import main as run_command_line

    codes = {}
    for command in commands:
        sys.argv = ["streamflow", "--quiet", *command.split()]
        try:
            run_command_line()
        except SystemExit as end:
            codes[command] = int(end.code or 0)
    return codes


def main() -> None:
    """Do what the arguments say, with the packages of the extra alone."""
    extra, work, *items = sys.argv[1:]
    allowed = close_over(DISTRIBUTION, extra)
    finder = FewPackages(allowed if work == "command" else allowed | close_over(CLIENT))
    sys.meta_path[sys.meta_path.index(PathFinder)] = finder
    results = run_commands(items) if work == "command" else send_all(work, items)
    print(json.dumps({"results": results, "missed": sorted(finder.missed)}))


if __name__ == "__main__":
    main()
