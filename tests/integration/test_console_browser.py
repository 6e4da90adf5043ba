"""The console in a real browser: Debian's Chromium, driven by Playwright.

Without Chromium the tests are skipped: `apt-get install chromium` brings it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import Cluster
from support.browser import CHROMIUM, chromium_of, served
from support.console_pages import browsed
from support.states import SCORED, in_state

from streamflow.console.pages import user_address
from streamflow.platform import open_platform
from streamflow.steps.serving.at_risk import RiskFilter, list_at_risk
from streamflow.warehouse.roles import CONSOLE

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: apt-get install chromium"
)
SHORT_LIST = "/at-risk?s.contract_type=Two+year&moved=up"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

ENGINEER_PATHS = (
    "/versions",
    "/versions/1",
    "/production",
    "/production/entries/1",
    "/drops",
    "/drops/2024-01-31",
    "/snapshots",
    "/training-sets",
    "/training-sets/1",
    "/data",
    "/monitoring",
    "/runs",
    "/work",
    "/work/compare?version=1",
    "/work/export?version=1",
    "/upload",
    "/production/rollback",
    "/service",
)


@dataclass
class Site:
    """The address of a console, a user of it, and what the browser asked for and said."""

    base: str
    user: str
    chromium: Any
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
        key = list_at_risk(platform, RiskFilter(limit=1)).users[0].key
        yield Site(base=base, user=user_address(key), chromium=chromium)


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1280, "light")])
def test_every_page_fits_and_axe_finds_nothing(site: Site, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    axe = Axe()
    options = {"runOnly": {"type": "tag", "values": RULES}}
    with site.page(viewport={"width": width, "height": 900}, color_scheme=scheme) as page:
        # A short list has the same parts as a long one, and axe looks at every cell.
        page.goto(f"{site.base}/at-risk")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        for path in [SHORT_LIST, *site.paths[1:]]:
            page.goto(site.base + path)
            wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, path
            found = axe.run(page, options=options)
            assert found.violations_count == 0, (path, found.generate_report())
        # The different scheme has the same structure and different colours.
        page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
        page.goto(site.base + SHORT_LIST)
        contrast = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
        found = axe.run(page, options=contrast)
        assert found.violations_count == 0, found.generate_report()


def test_the_pages_for_the_engineer_fit_and_axe_finds_nothing(site: Site) -> None:
    from axe_playwright_python.sync_playwright import Axe

    axe = Axe()
    options = {"runOnly": {"type": "tag", "values": RULES}}
    with site.page(viewport={"width": 400, "height": 900}, color_scheme="dark") as page:
        for path in ENGINEER_PATHS:
            page.goto(site.base + path)
            wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, path
            found = axe.run(page, options=options)
            assert found.violations_count == 0, (path, found.generate_report())


def test_the_pages_for_the_engineer_fit_a_wide_window_and_work_without_script(site: Site) -> None:
    options = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"}
    with site.page(**options, java_script_enabled=False) as page:
        for path in ENGINEER_PATHS:
            page.goto(site.base + path)
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
        contracts = page.locator('td[data-label="contract type"]').all_text_contents()
        assert set(contracts) == {"Two year"}


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
