"""The page about what answers: the API in place of which a small server answers, and services."""

from __future__ import annotations

import csv
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from time import perf_counter, time

import pytest
from pydantic import SecretStr
from support.console_pages import STATEMENTS, Browser, browsed, text_of
from support.console_servers import HOSTILE, api_server, make_metrics

from streamflow.database import connect
from streamflow.errors import ServiceFailed
from streamflow.platform import Platform, open_platform
from streamflow.receipt import to_json
from streamflow.warehouse.roles import CONSOLE
from streamflow.web.service_condition import Condition
from streamflow.web.surroundings import Surroundings

KEY = "a key of scope metrics"
MAX_STATEMENTS = 6
MAX_PAGE_BYTES = 100_000
# What the page waits for, and some time to draw it.
PROMISED_S = 5.0
API = Condition(
    service="api",
    state="starting",
    since=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    pid=7,
    address="http://127.0.0.1:8000/docs",
    restarts=2,
    note=f"not ready: {HOSTILE}",
)


@pytest.fixture(scope="module")
def metrics() -> bytes:
    return make_metrics()


@pytest.fixture
def browser(platform: Platform) -> Iterator[Browser]:
    with open_platform(platform.settings, role=CONSOLE) as opened, browsed(opened) as visitor:
        visitor.state.surroundings = Surroundings(find_api=lambda: "http://127.0.0.1:9")
        yield visitor


def rows_of(browser: Browser, table: str) -> list[dict[str, str]]:
    answer = browser.get(f"/serving?format=csv&table={table}")
    assert answer.status_code == 200
    return list(csv.DictReader(StringIO(answer.text)))


def test_the_page_shows_what_the_api_counts(browser: Browser, metrics: bytes) -> None:
    with api_server(body=metrics) as address:
        browser.state.surroundings.find_api = lambda: address
        page = browser.get("/serving")
        phases = {row["phase"]: row for row in rows_of(browser, "phases")}
        reloads = rows_of(browser, "reloads")
        refusals = rows_of(browser, "refusals")
        report = browser.get("/serving?format=json").json()["api"]
    assert page.status_code == 200
    assert len(STATEMENTS) <= MAX_STATEMENTS
    assert len(page.content) <= MAX_PAGE_BYTES
    assert "<script>alert" not in page.text
    text = text_of(page.text)
    assert f"cannot predict now: model {HOSTILE}." in text
    assert "3 of 4 free, 0 requests wait" in text
    assert list(phases) == ["queue", "features", "model", "log", "/predict"]
    assert phases["queue"]["count"] == "3"
    assert float(phases["queue"]["mean_ms"]) == pytest.approx(206 / 3)
    assert phases["queue"]["most_ms"] == "250.0"
    assert phases["/predict"]["most_ms"] == "50.0"
    # Nothing was measured; and all that was measured is above the last bound.
    assert (phases["features"]["mean_ms"], phases["model"]["most_ms"]) == ("", "")
    assert "> 10 000" in text
    assert {(row["version"], row["outcome"]) for row in reloads} == {
        ("7", "swapped"),
        ("8", "refused"),
    }
    ages = [time() - datetime.fromisoformat(row["at"]).timestamp() for row in reloads]
    assert all(-1 < age < 600 for age in ages)
    assert "Failed attempts since the start: 2" in text
    assert [(row["code"], row["answers"]) for row in refusals] == [
        ("overloaded", "2"),
        ("not_found", "1"),
    ]
    assert (report["waiting_ids"], report["predictions"], report["unlogged"]) == (5, 1, 0)


def test_an_api_that_does_not_answer_is_said_so_and_holds_nobody_up(browser: Browser) -> None:
    page = browser.text("/serving")
    assert "no numbers from the API http://127.0.0.1:9: " in page
    assert "streamflow serve" in page
    assert "streamflow up" in page
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        browser.state.surroundings.find_api = lambda: address
        started_at = perf_counter()
        assert f"no numbers from the API {address}: " in browser.text("/serving")
        assert perf_counter() - started_at < PROMISED_S


def test_what_is_no_api_is_said_so(browser: Browser) -> None:
    with api_server(body=b"no metrics {") as address:
        browser.state.surroundings.find_api = lambda: address
        assert "is not an API of streamflow" in browser.text("/serving")


def test_an_api_with_keys_is_asked_with_the_key_of_the_setting(
    platform: Platform, metrics: bytes
) -> None:
    with api_server(key=KEY, body=metrics) as address:
        surroundings = Surroundings(find_api=lambda: address)
        with open_platform(platform.settings, role=CONSOLE) as opened:
            with browsed(opened) as visitor:
                visitor.state.surroundings = surroundings
                assert "--scope metrics" in visitor.text("/serving")
            settings = opened.settings.with_values({"api_metrics_key": SecretStr(KEY)})
            with browsed(replace(opened, settings=settings)) as visitor:
                visitor.state.surroundings = surroundings
                page = visitor.get("/serving")
    assert "3 of 4 free" in text_of(page.text)
    assert KEY not in page.text


def test_the_services_of_up_are_shown_as_status_shows_them(browser: Browser) -> None:
    surroundings = browser.state.surroundings
    assert "streamflow up" in browser.text("/serving")
    surroundings.list_services = lambda: [API]
    page = browser.get("/serving")
    assert "<script>alert" not in page.text
    assert f'href="{API.address}"' in page.text
    [row] = rows_of(browser, "services")
    assert (row["service"], row["state"], row["restarts"]) == ("api", "starting", "2")
    shown = browser.get("/serving?format=json").json()["services"]
    assert shown == json.loads(to_json([API]))

    def fail() -> None:
        raise ServiceFailed("supervisord does not answer")

    surroundings.list_services = fail
    assert "supervisord does not answer" in browser.text("/serving")


def test_the_page_leads_to_the_pages_that_the_person_can_open(browser: Browser) -> None:
    pages = {
        "mlflow": "http://127.0.0.1:5000",
        "prefect": "http://0.0.0.0:4200",
        "feast": "https://feast.example.com",
        "api": f"javascript:alert(1){HOSTILE}",
    }
    assert "No address is known that leads you to such a page" in browser.text("/serving")
    browser.state.surroundings.find_pages = lambda: pages
    shown = {row["address"] for row in rows_of(browser, "pages")}
    assert shown == {"http://127.0.0.1:5000", "http://localhost:4200", "https://feast.example.com"}
    links = set(re.findall(r'href="(https?://[^"]+)"', browser.get("/serving").text))
    assert links == shown


def test_a_person_from_elsewhere_gets_no_address_of_this_machine(platform: Platform) -> None:
    pages = {"mlflow": "http://127.0.0.1:5000", "prefect": "http://0.0.0.0:4200"}
    host = "churn.example.com"
    with (
        open_platform(platform.settings, role=CONSOLE) as opened,
        browsed(opened, host=host) as visitor,
    ):
        visitor.base = f"http://{host}:8400"
        visitor.state.surroundings = Surroundings(
            find_api=lambda: "http://127.0.0.1:9",
            list_services=lambda: [API],
            find_pages=lambda: pages,
        )
        page = visitor.get("/serving")
        assert page.status_code == 200
    links = set(re.findall(r'href="(https?://[^"]+)"', page.text))
    assert links == {f"http://{host}:4200"}


def test_a_connection_that_postgresql_ended_is_replaced(
    browser: Browser, platform: Platform
) -> None:
    assert browser.get("/drops").status_code == 200
    ours = "FROM pg_stat_activity WHERE application_name = 'streamflow-console'"
    with connect(platform.login, autocommit=True) as connection:
        # The second argument waits until the process has ended.
        ended = connection.execute(
            f"SELECT pg_terminate_backend(pid, 10000) {ours} AND datname = current_database()"
        ).fetchall()
    assert set(ended) == {(True,)}
    page = browser.get("/drops")
    assert page.status_code == 200, text_of(page.text)
