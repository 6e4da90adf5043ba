"""Upload of a drop into the inbox from a page: whole or not at all, once, and by whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.console_pages import Browser, browsed, text_of

from streamflow.platform import Platform, open_platform
from streamflow.settings import override_settings
from streamflow.steps.data.inbox import list_inbox
from streamflow.steps.upkeep.console_actions import list_actions
from streamflow.warehouse.roles import CONSOLE


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def browser(platform: Platform, inbox: Path) -> Iterator[Browser]:
    settings = override_settings(platform.settings, inbox=inbox, console_max_upload=2_000_000)
    with open_platform(settings, role=CONSOLE) as opened, browsed(opened) as visitor:
        yield visitor


def fields_of(browser: Browser, day: str = "2024-01-31") -> dict[str, str]:
    page = browser.get("/upload").text
    names = ("form_token", "form_number")
    found = {name: re.search(rf'name="{name}" value="([^"]*)"', page) for name in names}
    return {"day": day, **{name: match[1] for name, match in found.items() if match}}


def send(browser: Browser, fields: dict[str, str], *files: tuple[str, bytes]) -> Any:
    parts = [("files", file) for file in files]
    return browser.send("POST", "/upload", data=fields, files=parts)


def test_a_drop_is_put_into_the_inbox_once(
    browser: Browser, platform: Platform, inbox: Path, simulated_drops: Path
) -> None:
    sources = sorted((simulated_drops / "month_000").glob("*.csv"))
    files = [(path.name, path.read_bytes()) for path in sources]
    fields = fields_of(browser)
    done = send(browser, fields, *files)
    assert done.status_code == 303, done.text
    [folder] = inbox.iterdir()
    assert folder.name.startswith("2024-01-31_")
    assert {path.name: path.read_bytes() for path in folder.glob("*.csv")} == dict(files)
    page = browser.get(done.headers["location"])
    assert "streamflow inbox" in text_of(page.text)
    [action] = list_actions(platform, limit=5)
    assert (action.action, action.state) == ("upload", "done")
    assert action.outcome.startswith(f"folder {folder.name}: {len(files)} files, ")
    opened = replace(platform, settings=override_settings(platform.settings, inbox=inbox))
    [drop] = list_inbox(opened, datetime(2099, 1, 1, tzinfo=UTC))
    assert (drop.folder, drop.status) == (folder.name, "waiting")
    # The second click puts nothing into the inbox, and leaves nothing behind.
    assert send(browser, fields, *files).status_code == 409
    assert [path.name for path in inbox.iterdir()] == [folder.name]


def test_what_is_no_drop_leaves_nothing_behind(browser: Browser, inbox: Path) -> None:
    file = ("users.csv", b"user_id\n1\n")
    fields = fields_of(browser)
    for name in ("../users.csv", "drop.toml", "x" * 3000, "users.csv\0", "evil.csv"):
        assert send(browser, fields, (name, b"x")).status_code in (403, 422), name
    assert send(browser, fields, file, file).status_code == 422
    assert send(browser, fields).status_code in (403, 422)
    assert send(browser, {**fields, "day": "soon"}, file).status_code == 422
    assert send(browser, {**fields, "form_token": "0" * 64}, file).status_code == 403
    assert send(browser, {**fields, "form_number": "0"}, file).status_code == 409
    assert send(browser, {**fields, "day": "2" * 5000}, file).status_code == 403
    large = send(browser, fields, ("users.csv", b"x" * 2_100_000))
    assert large.status_code == 413
    assert "console_max_upload" in large.text
    assert list(inbox.iterdir()) == []
    assert send(browser, fields, file).status_code == 303


def test_without_an_inbox_the_page_says_what_to_set(platform: Platform) -> None:
    with open_platform(platform.settings, role=CONSOLE) as opened, browsed(opened) as visitor:
        assert "STREAMFLOW_INBOX" in visitor.text("/upload")
        assert visitor.send("POST", "/upload", content=b"x").status_code == 403
