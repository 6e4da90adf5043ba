"""Each number on a page is one of those that the command with the same content prints as JSON.

A page may write a number shorter. The CSV of each table has it in full.
"""

from __future__ import annotations

import csv
import inspect
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from conftest import Cluster
from fastapi.routing import APIRoute
from support.console_contents import store_report
from support.console_pages import Browser, browsed
from support.states import SCORED, in_state

from streamflow.cli.app import app
from streamflow.console import formats
from streamflow.console.monitoring_tables import SMALLEST_SHOWN_P
from streamflow.console.pages import user_address
from streamflow.console.texts import load_texts
from streamflow.console.version_tables import SEVERITY_TONES
from streamflow.platform import Platform, open_platform
from streamflow.steps.serving.at_risk import RiskFilter, list_at_risk
from streamflow.warehouse import skew
from streamflow.warehouse.roles import CONSOLE

# What is no number of the platform: the tick of a chart, what a person writes, the next page.
NOT_SHOWN = re.compile(
    r"<svg.*?</svg>|<select.*?</select>|<form.*?</form>|<p class=\"paging\">.*?</p>", re.DOTALL
)
TABLE_LINK = re.compile(r'href="([^"]*format=csv[^"]*)"')
PUNCTUATION = ".,;:()'\"→–…·<>="
# Pages without a number of a command, and why. Their numbers have tests of their own.
NO_COMMAND = {
    "/": "leads to the first page",
    "/health": "no page",
    "/login": "a form",
    "/upload": "a form with the limits of the settings",
    "/production/rollback": "a form",
    "/service/keys/{key_id}/revoke": "a form",
    "/work/{kind}": "a form",
    "/service/doctor": "what doctor finds: test_console_engineer.py",
    "/serving": "what the API and the services say: test_console_serving.py",
    "/work": "the records of the console: test_console_work.py",
    "/jobs/{job_id}": "the receipt of the step: test_console_work.py",
    "/jobs/{job_id}/file": "no page",
    "/runs": "what Prefect's server answers: test_console_runs.py",
    "/runs/{run_id}": "what Prefect's server answers: test_console_runs.py",
}
# A page with numbers, and the commands that print them. {user}: a user whose probability changed.
PAGES = {
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
}


@dataclass
class Installation:
    """A console, and a shell with the same installation."""

    platform: Platform
    browser: Browser
    user: str

    def ask(self, command: str) -> Any:
        """Run a command with --json; return what it prints."""
        stream = StringIO()
        arguments = shlex.split(command.format(user=self.user))
        with redirect_stdout(stream):
            app([*arguments, "--json"], standalone_mode=False)
        return json.loads(stream.getvalue())


@pytest.fixture(scope="module")
def installation(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("numbers") / "home"
    with in_state(cluster, SCORED, simulated_drops, home, kept_value=120.5) as platform:
        store_report(platform)
        names = ("since", "sampled", "not_comparable", "compared", "stale", "late", "type", "code")
        counts = {**dict.fromkeys(names, 7), "since": None}
        skew.store_report(
            platform.connection,
            {**counts, "unexplained": 0, "probabilities": 5, "probabilities_differ": 1},
        )
        with (
            open_platform(platform.settings, role=CONSOLE) as reading,
            browsed(reading) as browser,
            pytest.MonkeyPatch.context() as patch,
        ):
            variables = cluster.variables(platform.login.database, home)
            for name, value in {**variables, "STREAMFLOW_KEPT_VALUE": "120.5"}.items():
                patch.setenv(name, value)
            users = list_at_risk(platform, RiskFilter()).users
            user = next(user.key for user in users if user.change)
            yield Installation(platform=platform, browser=browser, user=user)


@pytest.mark.parametrize("path", PAGES)
def test_a_number_on_a_page_is_one_of_the_command(installation: Installation, path: str) -> None:
    receipts = [installation.ask(command) for command in PAGES[path]]
    address = path.format(user=user_address(installation.user).removeprefix("/users/"))
    page = installation.browser.get(address)
    assert page.status_code == 200, page.text
    words = set().union(*(words_of(receipt) for receipt in receipts), WORDS_OF_TEXTS)
    strange = [word for word in shown_words(page.text) if word not in words]
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
    compared = [path.partition("?")[0] for path in PAGES]
    missing = [
        route.path
        for route in routes
        if not any(route.path_regex.match(path) for path in compared)
        and route.path not in NO_COMMAND
    ]
    assert missing == [], "name the command that prints the numbers of the page"


def shown_words(html: str) -> list[str]:
    """The words with digits of the content of a page, as a person reads them."""
    main = re.search(r"<main.*</main>", html, re.DOTALL)
    assert main is not None
    text = unescape(re.sub(r"<[^>]*>", " ", NOT_SHOWN.sub(" ", main[0])))
    return [word for word in split_words(text) if re.search(r"\d", word)]


def split_words(text: str) -> list[str]:
    """The words of a text without the signs around them. A thin space is no end of a word."""
    words = [word.strip(PUNCTUATION) for word in re.split(r"[ \n\t]+", text)]
    return [word for word in words if word]


def words_of(receipt: Any) -> set[str]:
    """Every word with which a page may show a value of a receipt."""
    words: set[str] = set()
    for value in leaves(receipt):
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, str):
            words |= words_of_text(value)
        else:
            words |= words_of_number(value)
    return words


def words_of_text(text: str) -> set[str]:
    words = {text, text[:16], *split_words(text)}
    instant = parse_instant(text)
    if instant is not None:
        now = datetime.now(UTC)
        utc = instant.astimezone(UTC)
        words |= {f"{instant:%Y-%m-%d}", *split_words(formats.format_instant(utc))}
        words |= set(split_words(formats.format_age(instant, now)))
    return words


def words_of_number(value: float) -> set[str]:
    texts = [str(value), f"{value:g}", formats.format_value(value), formats.format_points(value)]
    texts += [formats.format_number(value, decimals) for decimals in range(5)]
    texts += [formats.format_percent(value, decimals) for decimals in (0, 1)]
    if 0 <= value < SMALLEST_SHOWN_P:
        texts.append(f"{SMALLEST_SHOWN_P:.4f}")
    return {word for text in texts for word in (text, text.strip(PUNCTUATION))}


def numbers_of(receipt: Any) -> set[float]:
    return {float(value) for value in leaves(receipt) if is_number(value)}


def leaves(value: Any) -> Iterator[Any]:
    """Every value in a receipt, each name, and what is counted from the values beside it."""
    yield from counted(value)
    if isinstance(value, dict):
        for name, entry in value.items():
            yield name
            yield from leaves(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from leaves(entry)
    elif isinstance(value, str) and value.startswith('{"'):
        yield from leaves(json.loads(value))  # the evidence of an entry of the ledger
    else:
        yield value


def counted(value: Any) -> Iterator[float]:
    """What a page counts: entries, those of a severity, shares of rows, and rows that came."""
    if isinstance(value, dict) and value.get("former_rows") is not None:
        yield value["rows"] - value["former_rows"]
    if not isinstance(value, list):
        return
    yield len(value)
    if value and all(isinstance(entry, int) for entry in value):
        yield from (entry / max(sum(value), 1) for entry in value)
    for name in SEVERITY_TONES:
        yield sum(isinstance(entry, dict) and entry.get("severity") == name for entry in value)


def parse_instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


def _words_of_texts() -> set[str]:
    folder = Path(inspect.getfile(load_texts)).parent
    texts = tomllib.loads((folder / "en.toml").read_text(encoding="utf-8"))
    return {
        word for value in leaves(texts) if isinstance(value, str) for word in split_words(value)
    }


WORDS_OF_TEXTS = _words_of_texts()
