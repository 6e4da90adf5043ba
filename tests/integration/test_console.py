"""The console's pages for the person who keeps customers, in process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Cluster
from support.chain import FEBRUARY, JANUARY, run
from support.console_pages import Browser, browsed
from support.states import JANUARY_SERVED, in_state

from streamflow.platform import Platform, open_platform
from streamflow.steps.serving.at_risk import RiskFilter, list_at_risk
from streamflow.steps.serving.score import score
from streamflow.warehouse.roles import CONSOLE

PAGES = ("/at-risk", "/portfolio")


@pytest.fixture(scope="module")
def scored(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """January and February are scored by a version of January; both have their labels."""
    folder = tmp_path_factory.mktemp("console")
    with in_state(cluster, JANUARY_SERVED, simulated_drops, folder / "home") as platform:
        run(platform, simulated_drops / "month_001", FEBRUARY)
        score(platform, JANUARY)
        score(platform, FEBRUARY, explain=True)
        yield platform


@pytest.fixture(scope="module")
def browser(scored: Platform) -> Iterator[Browser]:
    with (
        open_platform(scored.settings, role=CONSOLE) as platform,
        browsed(platform) as opened,
    ):
        yield opened


def test_at_risk_lists_the_highest_first(scored: Platform, browser: Browser) -> None:
    text = browser.text("/at-risk")
    risks = list_at_risk(scored, RiskFilter())
    assert len(risks.users) == 50
    values = [user.probability for user in risks.users]
    assert values == sorted(values, reverse=True)
    assert f"as of {FEBRUARY:%Y-%m-%d}" in text
    assert risks.users[0].key in text
