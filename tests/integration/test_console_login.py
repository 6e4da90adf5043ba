"""Who may see the console: keys, sessions, tokens of forms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from support.console_pages import Browser, browsed

from streamflow.console.sessions import COOKIE
from streamflow.database import connect
from streamflow.platform import Platform, open_platform
from streamflow.steps.serving.api_keys import KeyReceipt, create_key, revoke_keys
from streamflow.warehouse.roles import CONSOLE
from streamflow.web.active_keys import KeyRing


@pytest.fixture
def keyed(platform: Platform) -> Iterator[tuple[Browser, KeyReceipt]]:
    """A console that requires keys, and a key of scope read."""
    key = create_key(platform, "crm", scope="read", days=1)
    create_key(platform, "scraper", scope="metrics", days=None)
    with open_platform(platform.settings, role=CONSOLE) as opened:
        ring = KeyRing(partial(connect, opened.address, autocommit=True), print, interval_s=0.05)
        with ring.keep_reading(), browsed(opened, ring) as browser:
            yield browser, key


def test_a_person_logs_in_and_out(keyed: tuple[Browser, KeyReceipt], platform: Platform) -> None:
    browser, key = keyed
    answer = browser.get("/at-risk?moved=up")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next_page=%2Fat-risk%3Fmoved%3Dup"
    for path in ("/at-risk?format=csv", "/portfolio?format=json"):
        assert browser.get(path).status_code == 401
    token = browser.token("/login?next_page=%2Fat-risk%3Fmoved%3Dup")
    visit = browser.cookies[COOKIE]
    # A wrong key, a key of a smaller scope, no token, a token of a different browser.
    assert browser.post("/login", token, key="sk_0123456789ab_" + "x" * 43).status_code == 401
    assert browser.post("/login", token, key="").status_code == 401
    smaller = create_key(platform, "small", scope="metrics", days=None)
    assert browser.post("/login", token, key=smaller.key).status_code == 401
    assert browser.post("/login", "0" * 64, key=key.key).status_code == 403
    assert browser.post("/login", "", key=key.key).status_code == 403
    assert browser.send("POST", "/login", json={"key": key.key}).status_code == 403
    done = browser.post("/login", token, key=f" {key.key} ", next_page="/at-risk?moved=up")
    assert (done.status_code, done.headers["location"]) == (303, "/at-risk?moved=up")
    cookie = done.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Max-Age=43200" in cookie
    assert "Secure" not in cookie
    assert browser.cookies[COOKIE] != visit, "a log-in gives the browser a new cookie"
    assert browser.get("/at-risk").status_code == 404, "nothing is scored, and the person is in"
    page = browser.get("/at-risk").text
    assert "crm, scope read" in page
    # The token from before the log-in belongs to the cookie from before.
    assert browser.post("/logout", token).status_code == 403
    assert browser.post("/logout", browser.token("/portfolio")).status_code == 303
    assert browser.get("/at-risk").status_code == 303
    lines = " ".join(browser.log)
    assert key.row.id in lines
    assert key.key.rpartition("_")[2] not in lines


def test_a_session_ends_with_its_key_and_with_its_time(
    keyed: tuple[Browser, KeyReceipt], platform: Platform
) -> None:
    browser, key = keyed
    assert browser.post("/login", browser.token(), key=key.key).status_code == 303
    cookie = browser.cookies[COOKIE]
    sessions, keys = browser.state.sessions, browser.state.keys
    assert keys is not None
    later = datetime.now(UTC) + timedelta(hours=12, minutes=1)
    assert sessions.find_visitor(cookie, later, keys.find_id).scope is None
    assert browser.get("/at-risk").status_code == 404
    # Keys that could not be read for minutes open nothing: one of them may be revoked by now.
    trusted_s, keys._trusted_s = keys._trusted_s, 0.0
    assert browser.get("/at-risk").status_code == 303
    assert browser.get("/at-risk?format=csv", headers={"X-API-Key": key.key}).status_code == 401
    refused = browser.post("/login", browser.token(), key=key.key)
    assert refused.status_code == 503
    assert "could not read the API keys" in refused.text
    assert "This key is unknown" not in refused.text, "nobody knows that"
    keys._trusted_s = trusted_s
    assert browser.get("/at-risk").status_code == 404
    revoke_keys(platform, "crm")
    keys._refresh()
    assert browser.get("/at-risk").status_code == 303


def test_over_https_the_cookie_is_secure(keyed: tuple[Browser, KeyReceipt]) -> None:
    browser, _ = keyed
    answer = browser.get("/login", headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("address", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_a_log_in_leads_to_no_different_host(
    keyed: tuple[Browser, KeyReceipt], address: str
) -> None:
    browser, key = keyed
    done = browser.post("/login", browser.token(), key=key.key, next_page=address)
    assert done.headers["location"] == "/at-risk"


def test_a_program_sends_its_key_as_to_the_api(keyed: tuple[Browser, KeyReceipt]) -> None:
    browser, key = keyed
    for headers in ({"Authorization": f"Bearer {key.key}"}, {"X-API-Key": key.key}):
        answer = browser.get("/at-risk?format=csv", headers=headers)
        assert answer.status_code == 404, "nothing is scored, and the program is in"
    two_keys = {"Authorization": f"Bearer {key.key}", "X-API-Key": key.key}
    for headers in ({"X-API-Key": "sk_0"}, two_keys):
        assert browser.get("/at-risk?format=csv", headers=headers).status_code == 401
    assert browser.get(f"/at-risk?format=csv&key={key.key}").status_code == 401
