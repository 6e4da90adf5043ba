"""The console in a real browser: Debian's Chromium, driven by Playwright.

Without Chromium the tests are skipped: `apt-get install chromium` brings it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from conftest import Cluster
from support.axe import find_faults
from support.browser import CHROMIUM, chromium_of, served
from support.chain import JANUARY
from support.console_contents import store_report
from support.console_pages import browsed, make_board
from support.states import SCORED, in_state

from streamflow.console import production_pages, run_pages, service_pages, serving_pages
from streamflow.console.job_pages import job_address
from streamflow.console.jobs import JobOrder, Message
from streamflow.console.pages import user_address
from streamflow.console.service_pages import revocation_address
from streamflow.console.state import ConsoleState
from streamflow.core.serving.phase_times import PhaseTime
from streamflow.platform import open_platform
from streamflow.steps.serving.api_keys import create_key
from streamflow.steps.serving.at_risk import RiskFilter, list_at_risk
from streamflow.steps.stages.transitions import ProductionStatus
from streamflow.steps.upkeep.doctor.finding import Finding, State
from streamflow.warehouse.roles import CONSOLE
from streamflow.web.api_report import ApiReport, CodeCount, Reload
from streamflow.web.flow_runs import FlowLogLine, FlowRun, FlowRunRecord
from streamflow.web.service_condition import Condition

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: apt-get install chromium"
)
SHORT_LIST = "/at-risk?s.contract_type=Two+year&moved=up"
WAIT_LIMIT_S = 300
FINDINGS = [
    Finding(subject="PostgreSQL", state=State.OK, text="answers"),
    Finding(subject="model", state=State.NOTE, text="none yet"),
    Finding(subject="disk", state=State.WRONG, text="is full", remedy="Free some space."),
]
FLOW_RUN = FlowRun(
    id="0199a1b2-0000-7000-8000-000000000001",
    flow="monthly",
    name="bold-owl",
    state="Failed",
    message="it failed",
    started_at=JANUARY,
    ended_at=None,
    seconds=61.25,
)
FLOW_RUN_RECORD = FlowRunRecord(
    run=FLOW_RUN,
    lines=(
        FlowLogLine(at=JANUARY, level=20, text="first"),
        FlowLogLine(at=JANUARY, level=40, text="second"),
    ),
)
API_REPORT = ApiReport(
    address="http://127.0.0.1:8000",
    reasons=("no version",),
    notes=("a note",),
    started_at=JANUARY,
    version=1,
    loaded_at=JANUARY,
    waiting_ids=5,
    pool_size=4,
    pool_available=3,
    pool_waiting=0,
    predictions=7,
    unlogged=1,
    phases=(PhaseTime(phase="queue", count=3, mean_s=0.07, most_s=0.2),),
    reloads=(Reload(version=8, outcome="refused", at=JANUARY),),
    refused_reloads=2,
    refusals=(CodeCount(code="overloaded", answers=2),),
)
SERVICES = (
    Condition(
        service="api",
        state="starting",
        since=JANUARY,
        pid=7,
        address="http://127.0.0.1:8000/docs",
        restarts=2,
        note="not ready",
    ),
)

MOVED_OUTSIDE = ProductionStatus(
    version=2,
    entry=None,
    notes=("version 2 was put into Production in MLflow, instead of version 1",),
)

ENGINEER_PATHS = (
    "/versions",
    "/versions/1",
    "/production",
    "/production/entries/1",
    "/production/served?instant=2099-01-01",
    "/drops",
    "/drops/2024-01-31",
    "/snapshots",
    "/training-sets",
    "/training-sets/1",
    "/data",
    "/monitoring",
    "/monitoring/reports/1",
    "/monitoring/reports/1/feature?name=monthly_fee",
    "/runs",
    f"/runs/{FLOW_RUN.id}",
    "/work",
    "/work/reproduce?version=1",
    "/work/compare?version=1",
    "/work/export?version=1",
    "/work/retrain",
    "/work/score",
    "/work/forget",
    "/upload",
    "/versions/1/promote",
    "/production/rollback",
    "/service",
    "/service/doctor",
    "/serving",
)
# Pages that have nothing to show, that refuse an address, or that show a fault.
EMPTY_PATHS = (
    "/production",
    "/runs",
    "/serving",
    "/production/served?instant=soon",
    "/drops?below=2000-01-01",
    "/nothing",
)


@dataclass
class Site:
    """The address of a console, a user of it, and what the browser asked for and said.

    revocation  the address of the form that revokes a key
    """

    base: str
    user: str
    revocation: str
    chromium: Any
    state: ConsoleState
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return ["/at-risk", self.user, "/portfolio", "/users/nobody"]

    @contextmanager
    def page(self, **options: Any) -> Iterator[Any]:
        """Open a page of its own; note each request and each message."""
        context = self.chromium.new_context(**options)
        opened = context.new_page()
        opened.on("request", lambda request: self.requests.append(request.url))
        opened.on("console", lambda message: self.messages.append(message.text))
        opened.on("pageerror", lambda error: self.messages.append(str(error)))
        yield opened
        context.close()


@pytest.fixture(scope="module")
def site(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("browser") / "home"
    with (
        in_state(cluster, SCORED, simulated_drops, home) as platform,
        open_platform(platform.settings, role=CONSOLE) as reading,
        browsed(reading) as console,
        playwright.sync_playwright() as driver,
        served(console.app) as base,
        chromium_of(driver) as chromium,
    ):
        store_report(platform)
        console.state.find_flow_server = lambda: "http://127.0.0.1:4200/api"
        key = list_at_risk(platform, RiskFilter(limit=1)).users[0].key
        api_key = create_key(platform, "a name " * 20, scope="read", days=30)
        yield Site(
            base=base,
            user=user_address(key),
            revocation=revocation_address(api_key.row.id),
            chromium=chromium,
            state=console.state,
        )


@contextmanager
def running_job(state: ConsoleState) -> Iterator[str]:
    """Run a job until the end of the block; yield the address of its page.

    One line of its progress is wider than a small window.
    """
    may_end = Event()

    def launch(_: JobOrder, on_message: Callable[[Message], None]) -> None:
        on_message({"line": f"reading /{'a_long_folder_name/' * 20}users.csv"})
        may_end.wait(WAIT_LIMIT_S)
        on_message({"problem": "the test has ended"})

    usual = state.jobs
    state.jobs = make_board(launch)
    order = JobOrder(kind="score", arguments={}, subject="drop of 2024-01-31", who="ada")
    state.jobs.start(order)
    try:
        yield job_address(order.job_id)
    finally:
        may_end.set()
        state.jobs = usual


def test_every_page_fits_and_axe_finds_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """In 400 and in 1,280 px, dark and light."""
    monkeypatch.setattr(service_pages, "doctor", lambda *_, **__: FINDINGS)
    monkeypatch.setattr(run_pages, "list_flow_runs", lambda *_, **__: [FLOW_RUN])
    monkeypatch.setattr(run_pages, "read_flow_run", lambda *_, **__: FLOW_RUN_RECORD)
    faults = []
    monkeypatch.setattr(serving_pages, "read_api_report", lambda *_: API_REPORT)
    surroundings = site.state.surroundings
    monkeypatch.setattr(surroundings, "find_api", lambda: API_REPORT.address)
    monkeypatch.setattr(surroundings, "find_pages", lambda: {"mlflow": API_REPORT.address})
    monkeypatch.setattr(surroundings, "list_services", lambda: SERVICES)
    with site.page() as page, running_job(site.state) as job:
        # A short list has the same parts as a long one.
        for path in [SHORT_LIST, *site.paths[1:], *ENGINEER_PATHS, site.revocation, job]:
            page.goto(site.base + path)
            faults += find_faults(page)
        monkeypatch.setattr(production_pages, "production_status", lambda *_: MOVED_OUTSIDE)
        monkeypatch.setattr(run_pages, "list_flow_runs", lambda *_, **__: [])
        monkeypatch.setattr(surroundings, "find_api", str)
        monkeypatch.setattr(surroundings, "find_pages", dict)
        monkeypatch.setattr(surroundings, "list_services", lambda: None)
        for path in EMPTY_PATHS:
            page.goto(site.base + path)
            faults += find_faults(page)
    assert not faults, "\n".join(faults)


def test_the_pages_for_the_engineer_fit_a_wide_window_and_work_without_script(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_pages, "doctor", lambda *_, **__: FINDINGS)
    options = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"}
    with site.page(**options, java_script_enabled=False) as page:
        for path in ENGINEER_PATHS:
            page.goto(site.base + path, wait_until="domcontentloaded")
            assert page.locator("h1").is_visible(), path
            width = page.locator("main").evaluate("element => element.scrollWidth")
            assert width <= 1280, path


def test_a_list_is_worked_by_keyboard_alone(site: Site) -> None:
    with site.page(viewport={"width": 1280, "height": 900}) as page:
        page.goto(f"{site.base}/at-risk")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        for key in ("j", "j", "k"):
            page.keyboard.press(key)
        first = page.evaluate("document.activeElement.getAttribute('href')")
        assert first == site.user
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", "the focus is seen"
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{site.user}")
        page.goto(f"{site.base}/at-risk")
        page.keyboard.press("?")
        assert page.locator("#help p").is_visible()
        page.keyboard.press("Escape")
        assert not page.locator("#help p").is_visible()
        page.keyboard.press("/")
        page.keyboard.type(site.user.removeprefix("/users/"))
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{site.user}")


def test_without_script_a_filter_works_too(site: Site) -> None:
    with site.page(java_script_enabled=False) as page:
        for path in site.paths:
            page.goto(site.base + path)
            assert page.locator("h1").is_visible()
        page.goto(f"{site.base}/at-risk")
        page.select_option("#f-contract_type", "Two year")
        page.get_by_role("button", name="Show").click()
        assert "s.contract_type=Two+year" in page.url
        contracts = page.locator('td[data-label="Contract type"]').all_text_contents()
        assert set(contracts) == {"Two year"}


def test_in_a_small_window_a_value_stands_beside_its_name(site: Site) -> None:
    """A row is a card there. An age and a bar belong to the value, not below the name."""
    left = "parts => parts.map(part => part.getBoundingClientRect().left)"
    with site.page(viewport={"width": 400, "height": 900}) as page:
        for path, value, addition in (
            ("/drops", ".list td .date", ".list td .age"),
            (SHORT_LIST, ".list td .reasons", ".list td .bar"),
        ):
            page.goto(site.base + path)
            start = min(page.locator(value).evaluate_all(left))
            additions = page.locator(addition).evaluate_all(left)
            assert additions
            assert min(additions) > start, path
        assert page.locator(".list td:empty").evaluate_all(left) == []


def test_what_a_page_offers_to_read_works_by_keyboard_and_without_script(site: Site) -> None:
    """The forms and links that change nothing: who served, reasons of today, and both files."""
    for has_script in (True, False):
        with site.page(java_script_enabled=has_script) as page:
            page.goto(f"{site.base}/production")
            if has_script:
                page.keyboard.press("/")
            else:
                page.focus("#instant")
            page.keyboard.type("2099-01-01")
            with page.expect_navigation():
                page.keyboard.press("Enter")
            assert page.get_by_text("Version 1 was in Production at 2099-01-01").is_visible()
            page.goto(site.base + site.user)
            page.get_by_role("link", name="Explain today's answer").click()
            assert page.get_by_text("Today's answer of version 1 is").is_visible()
            page.goto(f"{site.base}/portfolio")
            page.get_by_role("link", name="contract type", exact=True).click()
            assert "cohort=contract_type" in page.url
            with page.expect_download() as download:
                page.get_by_role("link", name="CSV").first.click()
            assert download.value.suggested_filename == "trend.csv"
            page.get_by_role("link", name="JSON").first.click()
            assert page.url.endswith("format=json")


def test_no_request_left_the_machine_and_no_message_came(site: Site) -> None:
    """After all others: what the browser asked for, and what its console said."""
    with site.page() as page:
        for path in site.paths[:3]:
            page.goto(site.base + path)
    assert site.requests
    assert all(url.startswith(site.base) for url in site.requests), site.requests
    # The page of an unknown user is a 404, which a browser reports.
    messages = [text for text in site.messages if "404" not in text]
    assert messages == []
