"""Each change from a page in a real browser: asked once, done once, shown, and recorded by name.

The person has a key, so each record has the name of it. The work of a job runs in this process;
tests/proofs/test_console_jobs.py runs it in processes of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from conftest import Cluster
from fastapi.routing import APIRoute
from support.axe import find_faults
from support.browser import CHROMIUM, chromium_of, served
from support.console_pages import browsed, launch_here, make_board
from support.states import THREE_VERSIONS, in_state

from streamflow.console.work_forms import FORM_FIELDS
from streamflow.core.promotion.ledger import Entry
from streamflow.database import connect
from streamflow.platform import Platform, open_platform
from streamflow.receipt import to_json
from streamflow.settings import override_settings
from streamflow.steps.data.forget import forget
from streamflow.steps.promotion.retrain import retrain
from streamflow.steps.serving.api_keys import create_key, list_keys
from streamflow.steps.stages.ledger import read_ledger
from streamflow.steps.upkeep.console_actions import ActionLine, list_actions
from streamflow.steps.versions.version_record import read_version
from streamflow.warehouse.roles import CONSOLE
from streamflow.web.active_keys import KeyRing

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: apt-get install chromium"
)
DAY = "2024-01-31"
HOSTILE = '"><script>alert(1)</script>'
FEW_DRAWS = {"gate_draws": 50, "bootstrap_draws": 50}
JOB_LIMIT_MS = 120_000
# What a browser says by itself about a wrong key, and about a form that was sent before.
REFUSAL = re.compile(r"Failed to load resource: .* status of (401|409) ")


@dataclass
class Site:
    """A console that requires keys, a person with a key of scope admin, and a browser.

    person    how the records name the person
    session   the cookies of the person
    tabs      the pages that tests share, by whether they run scripts
    requests  the addresses that the browser asked for
    sent      the changes that it sent: the method and the path
    messages  what the console of the browser said
    """

    base: str
    app: Any
    platform: Platform
    inbox: Path
    chromium: Any
    key: str
    person: str
    closing: ExitStack
    session: Any = None
    tabs: dict[bool, Any] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @contextmanager
    def page(self, *, has_script: bool = True, is_known: bool = True) -> Iterator[Any]:
        """Open a page of its own.

        Args:
            has_script: whether the browser runs scripts
            is_known: whether it has the cookies of the person who has logged in
        """
        session = self.session if is_known else None
        context = self.chromium.new_context(java_script_enabled=has_script, storage_state=session)
        opened = context.new_page()
        opened.on("request", self.note)
        opened.on("console", lambda message: self.messages.append(message.text))
        opened.on("pageerror", lambda error: self.messages.append(str(error)))
        yield opened
        context.close()

    @contextmanager
    def tab(self, *, has_script: bool = True) -> Iterator[Any]:
        """Use the one page that all tests share: a new one costs as much as loading two."""
        if has_script not in self.tabs:
            self.tabs[has_script] = self.closing.enter_context(self.page(has_script=has_script))
        yield self.tabs[has_script]

    def find_faults_at(self, address: str) -> list[str]:
        """Open a page again with scripts, and return what axe finds in it."""
        with self.tab() as page:
            page.goto(address)
            return find_faults(page)

    def note(self, request: Any) -> None:
        self.requests.append(request.url)
        if request.method != "GET":
            self.sent.append((request.method, request.url.removeprefix(self.base)))

    def log_in(self, page: Any, path: str) -> None:
        """Ask for a page, and type the key into the form that comes instead."""
        page.goto(self.base + path)
        assert "/login" in page.url
        page.locator("#key:focus").wait_for()
        page.keyboard.type(self.key)
        press_enter(page)
        assert page.url == self.base + path

    def actions(self, count: int) -> list[ActionLine]:
        """The newest records of work, the newest first."""
        return list_actions(self.platform, limit=count)

    def newest_action(self, name: str) -> ActionLine:
        """The newest record: it is of this work, which this person started, and it is done."""
        [record] = self.actions(1)
        assert (record.action, record.who, record.state) == (name, self.person, "done")
        return record

    def count_actions(self, name: str) -> int:
        return [record.action for record in self.actions(100)].count(name)

    def entries(self) -> list[Entry]:
        return read_ledger(self.platform)


@pytest.fixture(scope="module")
def site(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("browser-work")
    inbox = folder / "inbox"
    inbox.mkdir()
    with (
        in_state(
            cluster, THREE_VERSIONS, simulated_drops, folder / "home", **FEW_DRAWS
        ) as platform,
        open_platform(override_settings(platform.settings, inbox=inbox), role=CONSOLE) as reading,
    ):
        key = create_key(platform, "ada", scope="admin", days=None)
        open_connection = partial(connect, reading.address, autocommit=True)
        with (
            KeyRing(open_connection, print).keep_reading() as keys,
            browsed(reading, keys) as console,
            playwright.sync_playwright() as driver,
            served(console.app) as base,
            chromium_of(driver) as chromium,
            ExitStack() as closing,
        ):
            state = console.state
            state.jobs = make_board(launch_here(state), state.exports.remove)
            opened = Site(
                base=base,
                app=console.app,
                platform=platform,
                inbox=inbox,
                chromium=chromium,
                key=key.key,
                person=f"ada (key {key.row.id})",
                closing=closing,
            )
            with opened.page(has_script=False, is_known=False) as page:
                opened.log_in(page, "/work")
                opened.session = page.context.storage_state()
            yield opened


def is_navigation(request: Any) -> bool:
    """Whether the browser asks for a page, and not for a file of it."""
    return bool(request.is_navigation_request())


def press_enter(page: Any) -> Any:
    """Press Enter, wait for the page that it leads to, and return what the browser sent."""
    with page.expect_navigation(), page.expect_request(is_navigation) as sent:
        page.keyboard.press("Enter")
    return sent.value


def click(page: Any, button: str) -> Any:
    """Click a button of a form, wait for its page, and return what the browser sent."""
    with page.expect_navigation(), page.expect_request(is_navigation) as sent:
        page.get_by_role("button", name=button, exact=True).click()
    return sent.value


def send_again(page: Any, sent: Any) -> int:
    """Send the same form once more, as a second click does; return the status of the answer."""
    assert sent.method == "POST"
    answer = page.request.post(
        sent.url,
        data=sent.post_data_buffer,
        headers={"Content-Type": sent.headers["content-type"]},
        max_redirects=0,
    )
    return int(answer.status)


def wait_for_end(page: Any) -> str:
    """Wait until the page of a job shows how it ended; return what it says."""
    page.wait_for_url("**/jobs/*")
    page.get_by_text("The work is done").wait_for(timeout=JOB_LIMIT_MS)
    return str(page.locator("main").inner_text())


def receipt_of(page: Any) -> Any:
    """The receipt that the page of a job links to."""
    return page.request.get(f"{page.url}?format=json").json()


def test_a_person_logs_in_and_out(site: Site) -> None:
    """The fixture logs in without script."""
    with site.page(is_known=False) as page:
        site.log_in(page, "/drops?below=2024-01-31")
        assert page.get_by_text("ada, scope admin").is_visible()
        click(page, "Log out")
        page.goto(f"{site.base}/work")
        assert page.url == f"{site.base}/login?next_page=%2Fwork"
        page.locator("#key:focus").wait_for()
        page.keyboard.type("sk_0123456789ab_wrong")
        press_enter(page)
        assert page.get_by_role("alert").is_visible()
        assert find_faults(page) == []


@pytest.mark.parametrize("has_script", [False, True])
def test_a_key_is_made_and_revoked(site: Site, *, has_script: bool) -> None:
    name = f"crm {has_script}"
    with site.tab(has_script=has_script) as page:
        page.goto(f"{site.base}/service")
        page.focus("#name")
        page.keyboard.type(name)
        sent = press_enter(page)
        assert page.get_by_text("Copy it now").is_visible()
        assert send_again(page, sent) == 409
        assert not has_script or find_faults(page) == []
        page.goto(f"{site.base}/service")
        row = page.get_by_role("row", name=name)
        row.get_by_role("link", name="Revoke").focus()
        press_enter(page)
        form = page.url
        assert not has_script or find_faults(page) == []
        page.get_by_role("button", name="Revoke this key").focus()
        sent = press_enter(page)
        assert row.get_by_role("cell", name="revoked", exact=True).is_visible()
        # The second press changes nothing, and leads to the page that says so.
        assert send_again(page, sent) == 303
        page.goto(form)
        assert page.get_by_text("was already revoked").is_visible()
        assert not has_script or find_faults(page) == []
    [key] = [key for key in list_keys(site.platform) if key.name == name]
    assert key.state == "revoked"
    records = [(line.action, line.who, line.state, line.outcome) for line in site.actions(3)]
    assert records == [
        ("revoke key", site.person, "done", "revoked before"),
        ("revoke key", site.person, "done", ""),
        ("create key", site.person, "done", f"key {key.id}, scope metrics"),
    ]


def test_a_version_is_promoted_and_put_back_by_keyboard(site: Site) -> None:
    before = len(site.entries())
    with site.tab(has_script=False) as page:
        # The gate refuses so small a difference; a reason overrules it.
        page.goto(f"{site.base}/versions/2/promote")
        page.focus("#why")
        page.keyboard.type("by keyboard")
        sent = press_enter(page)
        assert page.url == f"{site.base}/production/entries/{before + 1}"
        assert page.get_by_text("by keyboard").is_visible()
        assert send_again(page, sent) == 409
        page.goto(f"{site.base}/production")
        page.get_by_role("link", name="Roll back").focus()
        press_enter(page)
        page.get_by_role("button", name="Put version 1 back").focus()
        sent = press_enter(page)
        assert page.url == f"{site.base}/production/entries/{before + 2}"
        assert send_again(page, sent) == 409
    moves = [(entry.from_version, entry.to_version, entry.who) for entry in site.entries()]
    assert moves[before:] == [(1, 2, site.person), (2, 1, site.person)]


def test_a_drop_is_scored_by_keyboard(site: Site) -> None:
    with site.tab(has_script=False) as page:
        page.goto(f"{site.base}/drops/{DAY}")
        page.get_by_role("link", name="Score").focus()
        press_enter(page)
        page.get_by_role("button", name="Score this drop").focus()
        sent = press_enter(page)
        text = wait_for_end(page)
        assert send_again(page, sent) == 409
        run = receipt_of(page)["run"]
        assert f"{run['rows']:,}".replace(",", "\u202f") + " users have an answer" in text
        assert site.find_faults_at(page.url) == []
        page.get_by_role("link", name="At risk").last.click()
        assert page.get_by_text(f"As of {DAY}").is_visible()
    assert site.newest_action("score").subject == f"drop of {DAY}"
    assert site.count_actions("score") == 1


def retrain_from_page(site: Site, *, has_script: bool) -> Any:
    """Retrain by the form of the page, and return the receipt that the page of the job shows."""
    with site.tab(has_script=has_script) as page:
        page.goto(f"{site.base}/work")
        page.get_by_role("link", name="Retrain", exact=True).click()
        page.fill("#f-why", f"more {HOSTILE}")
        sent = click(page, "Retrain, and promote if the gate allows it")
        text = wait_for_end(page)
        assert "<script>alert" not in page.content()
        assert send_again(page, sent) == 409
        receipt = receipt_of(page)
        assert f"Decision: {receipt['decision']}" in text
        assert not has_script or find_faults(page) == []
    return receipt


def test_a_retraining_is_that_of_the_step(site: Site) -> None:
    receipt = retrain_from_page(site, has_script=False)
    outcome = site.newest_action("retrain").outcome
    assert outcome.startswith(receipt["decision"])
    assert outcome.endswith(f": more {HOSTILE}")
    entry = site.entries()[-1]
    assert (entry.who, entry.why) == (site.person, f"retrain: more {HOSTILE}")
    again = retrain_from_page(site, has_script=True)
    assert again["decision"] == "skipped"
    assert f"version {entry.to_version}" in again["why"]
    assert again == json.loads(to_json(retrain(site.platform)))
    assert site.count_actions("retrain") == 2


def test_a_version_is_reproduced_without_script(site: Site) -> None:
    with site.tab(has_script=False) as page:
        page.goto(f"{site.base}/versions/2")
        page.get_by_role("link", name="Reproduce").click()
        sent = click(page, "Reproduce")
        assert "Version 2: identical." in wait_for_end(page)
        assert send_again(page, sent) == 409
        assert receipt_of(page)["result"] == "identical"
        assert site.find_faults_at(page.url) == []
        page.get_by_role("link", name="Show version 2").click()
        assert page.get_by_text(f"by {site.person}").is_visible()
    record = site.newest_action("reproduce")
    assert (record.subject, record.outcome) == ("version 2", "identical")
    assert site.count_actions("reproduce") == 1
    reproduced = read_version(site.platform, 2).reproduced
    assert reproduced is not None
    assert reproduced.who == site.person


def compare_from_page(site: Site, *, has_script: bool) -> Any:
    """Compare the versions 1 and 2 by the form of the page; return the receipt of the job."""
    with site.tab(has_script=has_script) as page:
        page.goto(f"{site.base}/versions/1")
        page.get_by_role("link", name="Compare").click()
        assert page.input_value("#f-version") == "1"
        page.fill("#f-other", "2")
        sent = click(page, "Compare")
        text = wait_for_end(page)
        assert send_again(page, sent) == 409
        receipt = receipt_of(page)
        assert receipt["summary"] in text
        assert "threshold" in text
        assert not has_script or find_faults(page) == []
    return receipt


def test_versions_are_compared(site: Site) -> None:
    for number, has_script in enumerate((False, True), start=1):
        receipt = compare_from_page(site, has_script=has_script)
        record = site.newest_action("compare")
        assert (record.subject, record.outcome) == ("versions 1 and 2", receipt["summary"])
        assert site.count_actions("compare") == number


@pytest.mark.parametrize("has_script", [False, True])
def test_an_export_is_followed_and_downloaded(site: Site, *, has_script: bool) -> None:
    before = site.count_actions("export")
    with site.tab(has_script=has_script) as page:
        page.goto(f"{site.base}/versions/2")
        page.get_by_role("link", name="Export", exact=True).click()
        sent = click(page, "Export")
        wait_for_end(page)
        assert send_again(page, sent) == 409
        receipt = receipt_of(page)
        assert page.get_by_text(receipt["sha256"]).is_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the file").click()
        file = download.value
        assert file.suggested_filename.endswith("-2.version")
        content = Path(file.path()).read_bytes()
        assert sha256(content).hexdigest() == receipt["sha256"]
        assert not has_script or find_faults(page) == []
    assert site.newest_action("export").subject == "version 2"
    assert site.count_actions("export") == before + 1


def test_a_drop_is_uploaded_with_progress(site: Site, simulated_drops: Path) -> None:
    files = sorted((simulated_drops / "month_001").glob("*.csv"))
    for number, has_script in enumerate((False, True), start=1):
        with site.tab(has_script=has_script) as page:
            page.goto(f"{site.base}/drops")
            page.get_by_role("link", name="Upload a drop").click()
            page.fill("#day", "2024-02-29")
            page.set_input_files("#files", files)
            page.get_by_role("button", name="Put these files into the inbox").click()
            page.wait_for_url("**/jobs/*")
            assert page.get_by_text("The drop is in the inbox").is_visible()
            assert not has_script or find_faults(page) == []
        folders = list(site.inbox.iterdir())
        assert len(folders) == number == site.count_actions("upload")
        for folder in folders:
            assert {path.name for path in folder.glob("*.csv")} == {path.name for path in files}
        assert site.newest_action("upload").subject == "drop of 2024-02-29"


@pytest.mark.parametrize("has_script", [False, True])
def test_a_user_is_forgotten_once(site: Site, *, has_script: bool) -> None:
    """The last change: what was frozen is no longer what the versions were trained on."""
    before = site.count_actions("forget")
    with connect(site.platform.address) as connection:
        row = connection.execute("SELECT user_id FROM frozen.users LIMIT 1").fetchone()
    assert row is not None
    with site.tab(has_script=has_script) as page:
        page.goto(f"{site.base}/users/{row[0]}")
        page.get_by_role("link", name="Forget a user").click()
        assert page.get_by_text("This cannot be undone").is_visible()
        assert page.input_value("#f-key") == row[0]
        page.focus("#f-why")
        page.keyboard.type("asked for")
        sent = press_enter(page)
        assert page.get_by_text("stored rows were erased").is_visible()
        assert row[0] not in page.content()
        assert send_again(page, sent) == 409
        assert not has_script or find_faults(page) == []
    assert forget(site.platform, row[0], why="x").already
    assert site.newest_action("forget").subject == "a user"
    assert site.count_actions("forget") == before + 1


def test_a_form_that_was_sent_before_says_what_holds(site: Site) -> None:
    """A double click sends the form twice, and a reload sends it once more."""
    with site.tab() as page:
        page.goto(f"{site.base}/service")
        page.fill("#name", "twice")
        page.get_by_role("button", name="Create a key").dblclick()
        page.wait_for_url("**/service/keys")
        page.reload()
        assert page.get_by_text("what the first click did is still valid").is_visible()
    assert len([key for key in list_keys(site.platform) if key.name == "twice"]) == 1


def test_every_change_was_sent_by_the_browser(site: Site) -> None:
    """After all others: each form of the console was sent, each kind of work among them."""
    routes = [r for r in site.app.routes if isinstance(r, APIRoute) and "POST" in r.methods]
    sent = {path for method, path in site.sent if method == "POST"}
    missing = [r.path for r in routes if not any(r.path_regex.match(path) for path in sent)]
    assert missing == []
    assert {f"/work/{kind}" for kind in FORM_FIELDS} <= sent
    assert all(url.startswith(site.base) for url in site.requests)
    unexpected = [text for text in site.messages if not REFUSAL.match(text)]
    assert unexpected == []
