"""Each number on a page is one of those that the command with the same content prints as JSON.

COMMANDS is the list of all pages with numbers, and for each the commands with which it is compared.
No command prints what the pages of STEPS show. They are compared with the result of the step that
they call: what the API counts (the services beside it are those of 'status'), the runs of Prefect's
server, and the work that was started from pages. NO_NUMBERS has the remaining pages.

A page may write a number shorter. The CSV of each table has it in full.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from html import unescape
from io import StringIO
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import pytest
from conftest import Cluster
from fastapi.routing import APIRoute
from support.console_contents import store_report
from support.console_pages import Browser, browsed, launch_here, make_board
from support.console_servers import RUN, api_server, flow_server
from support.page_numbers import WORDS_OF_TEXTS, is_number, numbers_of, shown_words, words_of
from support.states import SCORED, in_state

from streamflow.cli.app import app
from streamflow.console.jobs import JobOrder
from streamflow.console.pages import user_address
from streamflow.console.run_pages import LINES_SHOWN, RUNS_SHOWN
from streamflow.console.serving_tables import LAST_BOUND_MS
from streamflow.platform import Platform, open_platform
from streamflow.receipt import to_json
from streamflow.services.processes import free_port
from streamflow.services.running_stack import Stack, take_lock
from streamflow.services.supervision import supervised
from streamflow.services.surroundings import list_services
from streamflow.steps.serving.api_keys import create_key
from streamflow.steps.serving.at_risk import RiskFilter, list_at_risk
from streamflow.steps.upkeep.console_actions import list_actions
from streamflow.warehouse import skew
from streamflow.warehouse.roles import CONSOLE
from streamflow.web.api_report import read_api_report
from streamflow.web.flow_runs import list_flow_runs, read_flow_run

TABLE_LINK = re.compile(r'href="([^"]*format=csv[^"]*)"')
# Pages without a number of the platform, and why.
NO_NUMBERS = {
    "/": "leads to the first page",
    "/health": "no page",
    "/login": "a form",
    "/production/rollback": "a form; its version is that of the ledger: test_console_engineer.py",
    "/work/{kind}": "a form; it shows what its address says",
    "/jobs/{job_id}/file": "no page",
}
# A page with numbers, and the commands that print them. {user}: a user whose probability changed.
COMMANDS: Mapping[str, list[str]] = {
    "/at-risk": ["at-risk --limit 50"],
    "/at-risk?s.contract_type=Two+year": [
        "at-risk --limit 50 --segment contract_type='Two year'",
    ],
    "/users/{user}": ["user {user}"],
    "/portfolio": ["portfolio"],
    "/versions": ["models"],
    "/versions/1": ["models 1"],
    "/production": ["ledger"],
    "/production/entries/1": ["ledger"],
    "/production/served?instant=2099-01-01": ["who-served 2099-01-01"],
    "/versions/1/promote": ["promote 1 --dry-run"],
    "/drops": ["drops"],
    "/drops/2024-02-29": ["drops 2024-02-29"],
    "/snapshots": ["snapshots"],
    "/training-sets": ["models 1"],
    "/training-sets/1": ["models 1", "snapshots"],
    "/data": ["catalog"],
    "/monitoring": ["reports"],
    "/monitoring/reports/1": ["reports 1"],
    "/monitoring/reports/1/feature?name=monthly_fee": ["reports 1"],
    "/service": ["keys list"],
    "/service/keys/{key}/revoke": ["keys list"],
    "/service/doctor": ["doctor"],
    "/serving": ["status"],
    "/upload": ["settings"],
    "/runs": [],
    "/runs/{run}": [],
    "/work": [],
    "/jobs/{job}": [],
}


@dataclass
class Installation:
    """A console with an API, services and a server of Prefect, and a shell with the same.

    names  what stands for a name in an address and in a command
    """

    platform: Platform
    browser: Browser
    api: str
    flow_server: str
    names: Mapping[str, str]

    def ask(self, command: str) -> Any:
        """Run a command with --json; return what it prints."""
        stream = StringIO()
        arguments = shlex.split(command.format(**self.names))
        with redirect_stdout(stream):
            app([*arguments, "--json"], standalone_mode=False)
        return json.loads(stream.getvalue())

    def find_job(self) -> dict[str, Any]:
        """Return what the console remembers of the job."""
        job = self.browser.state.jobs.find(self.names["job"])
        assert job is not None
        assert job.ended_at is not None
        return {
            "order": job.order.values,
            "receipt": job.receipt,
            "lines": list(job.lines),
            "seconds": (job.ended_at - job.started_at).total_seconds(),
        }


# A page whose numbers no command prints, and what its step returns.
STEPS: Mapping[str, Callable[[Installation], Any]] = {
    "/serving": lambda site: [read_api_report(site.api, None), LAST_BOUND_MS],
    "/runs": lambda site: list_flow_runs(site.flow_server, limit=RUNS_SHOWN),
    "/runs/{run}": lambda site: [
        read_flow_run(site.flow_server, UUID(RUN), limit=LINES_SHOWN),
        LINES_SHOWN,
    ],
    "/work": lambda site: list_actions(site.platform, limit=25),
    "/jobs/{job}": Installation.find_job,
}


@contextmanager
def supervised_services(home: Path) -> Iterator[None]:
    """Run the supervisor of `up`. It starts no service, because none is asked for."""
    stack = Stack(host="127.0.0.1", ports={"postgres": 0, "api": free_port()}, prefect_url="")
    lock = take_lock(home)
    assert lock is not None
    stack.save(home)
    with supervised(home, stack, os.environ, lock):
        yield
    os.close(lock)


def run_job(browser: Browser) -> str:
    """Score a drop by a job of the console, and return the id of the job."""
    browser.state.jobs = make_board(launch_here(browser.state))
    day = "2024-01-31"
    order = JobOrder(kind="score", arguments={"day": day}, subject=f"drop of {day}", who="ada")
    job = browser.state.jobs.start(order)
    end = monotonic() + 60
    while job.is_running:
        assert monotonic() < end
        sleep(0.02)
    assert job.receipt is not None, job.problem
    return order.job_id


def store_skew(platform: Platform) -> None:
    """Store the counts of a run of `skew`."""
    names = ("since", "sampled", "not_comparable", "compared", "stale", "late", "type", "code")
    counts = {**dict.fromkeys(names, 7), "since": None}
    skew.store_report(
        platform.connection,
        {**counts, "unexplained": 0, "probabilities": 5, "probabilities_differ": 1},
    )


@contextmanager
def command_variables(cluster: Cluster, platform: Platform, inbox: Path) -> Iterator[None]:
    """Set the variables by which a command uses the installation."""
    variables = {
        **cluster.variables(platform.login.database, platform.home),
        "STREAMFLOW_KEPT_VALUE": "120.5",
        "STREAMFLOW_INBOX": str(inbox),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        # Other processes of this machine write files between a page and a command.
        usage = shutil.disk_usage(platform.home)
        patch.setattr(shutil, "disk_usage", lambda _: usage)
        yield


@pytest.fixture(scope="module")
def installation(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("numbers")
    home = folder / "home"
    values = {"kept_value": 120.5, "inbox": folder}
    with in_state(cluster, SCORED, simulated_drops, home, **values) as platform:
        store_report(platform)
        store_skew(platform)
        key = create_key(platform, "crm", scope="read", days=30).row
        users = list_at_risk(platform, RiskFilter()).users
        user = next(user.key for user in users if user.change)
        with (
            open_platform(platform.settings, role=CONSOLE) as reading,
            browsed(reading) as browser,
            command_variables(cluster, platform, folder),
            supervised_services(home),
            api_server() as api,
            flow_server([]) as flows,
        ):
            browser.state.find_flow_server = lambda: flows
            browser.state.surroundings.find_api = lambda: api
            browser.state.surroundings.list_services = partial(list_services, home)
            job = run_job(browser)
            names = {"user": user, "key": key.id, "run": RUN, "job": job}
            yield Installation(platform, browser, api, flows, names)


@pytest.mark.parametrize("path", COMMANDS)
def test_a_number_on_a_page_is_one_of_the_command(installation: Installation, path: str) -> None:
    """Where there is no command, it is one of the step: see the head of this file."""
    receipts = [installation.ask(command) for command in COMMANDS[path]]
    if path in STEPS:
        receipts.append(json.loads(to_json(STEPS[path](installation))))
    user = user_address(installation.names["user"]).removeprefix("/users/")
    page = installation.browser.get(path.format(**{**installation.names, "user": user}))
    assert page.status_code == 200, page.text
    shown = shown_words(page.text)
    assert set(shown) - WORDS_OF_TEXTS, "the page shows no number"
    words = set().union(*(words_of(receipt) for receipt in receipts), WORDS_OF_TEXTS)
    strange = [word for word in shown if word not in words]
    assert strange == [], (path, strange)
    numbers = set().union(*(numbers_of(receipt) for receipt in receipts))
    for link in dict.fromkeys(TABLE_LINK.findall(page.text)):
        rows = list(csv.DictReader(StringIO(installation.browser.get(unescape(link)).text)))
        cells = [(name, value) for row in rows for name, value in row.items() if is_number(value)]
        assert [cell for cell in cells if float(cell[1]) not in numbers] == [], link


def test_every_page_with_numbers_is_compared(installation: Installation) -> None:
    routes = [
        route
        for route in installation.browser.app.routes
        if isinstance(route, APIRoute) and "GET" in route.methods
    ]
    names = installation.names
    compared = [path.partition("?")[0].format(**{**names, "user": "x"}) for path in COMMANDS]
    missing = [
        route.path
        for route in routes
        if not any(route.path_regex.match(path) for path in compared)
        and route.path not in NO_NUMBERS
    ]
    assert missing == [], "name the command that prints the numbers of the page"
    assert [path for path, commands in COMMANDS.items() if not commands and path not in STEPS] == []
