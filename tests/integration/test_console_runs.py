"""The pages about runs of flows, with a small server in place of Prefect's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.console_pages import Browser, browsed, text_of
from support.console_servers import RUN, flow_server

from streamflow.platform import Platform, open_platform
from streamflow.warehouse.roles import CONSOLE


@pytest.fixture
def browser(platform: Platform) -> Iterator[Browser]:
    with open_platform(platform.settings, role=CONSOLE) as opened, browsed(opened) as visitor:
        yield visitor


def test_runs_are_those_of_the_server_of_prefect(browser: Browser) -> None:
    questions: list[tuple[str, Any]] = []
    with flow_server(questions) as address:
        browser.state.find_flow_server = lambda: address
        page = browser.get("/runs")
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        text = text_of(page.text)
        assert re.search("bold-owl monthly Failed 2026-01-02 03:04 [a-z0-9 ]+ 61.2 it failed", text)
        assert f'href="/runs/{RUN}"' in page.text
        assert questions[0][1]["flow_runs"] == {"tags": {"all_": ["streamflow"]}}
        one = browser.get(f"/runs/{RUN}")
        assert "<script>alert" not in one.text
        lines = text_of(one.text)
        assert lines.index("first") < lines.index("second")
        # A run of somebody else on the same server is not shown.
        assert questions[-3][1]["flow_runs"]["tags"] == {"all_": ["streamflow"]}
        rows = browser.get(f"/runs/{RUN}?format=csv").text.splitlines()
        assert len(rows) == 3
        assert browser.get(f"/runs/{RUN}?format=json").json()["run"]["seconds"] == 61.25


def test_without_a_server_the_page_says_what_to_run(browser: Browser) -> None:
    assert "streamflow up" in browser.text("/runs")
    assert "streamflow up" in browser.text(f"/runs/{RUN}")
    browser.state.find_flow_server = lambda: "http://127.0.0.1:9/api"
    assert "does not answer" in browser.text("/runs")
    one = browser.text(f"/runs/{RUN}")
    assert "does not answer" in one
    assert "streamflow up" in one
    browser.state.find_flow_server = lambda: "http://ada:secret@127.0.0.1:9/api"
    for path in ("/runs", f"/runs/{RUN}"):
        page = browser.text(path)
        assert "a user and a password" in page
        assert "secret" not in page
    assert browser.get("/runs/none").status_code == 422


def test_a_run_leads_to_its_page_in_prefect(browser: Browser) -> None:
    with flow_server([]) as address:
        browser.state.find_flow_server = lambda: address
        assert "in Prefect" not in browser.text(f"/runs/{RUN}")
        browser.state.surroundings.find_pages = lambda: {"prefect": "http://127.0.0.1:4200"}
        assert 'href="http://127.0.0.1:4200"' in browser.get("/runs").text
        page = browser.get(f"/runs/{RUN}").text
    assert f'href="http://127.0.0.1:4200/runs/flow-run/{RUN}"' in page
