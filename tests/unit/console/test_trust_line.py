"""The line of trust says in plain words when the percentages did not hold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streamflow.console.texts import load_texts
from streamflow.console.trust_line import write_trust
from streamflow.core.serving.risk import CalibrationExample
from streamflow.steps.serving.trust import Calibration, Trust

DAY = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("churned_of_100", "users", "is_missed"),
    [(22, 613, True), (100, 613, True), (57, 613, False), (45, 20, False), (75, 10_000, False)],
)
def test_missed_percentages_are_said(churned_of_100: int, users: int, is_missed: bool) -> None:
    example = CalibrationExample(percent=65, churned_of_100=churned_of_100, users=users)
    trust = Trust(
        as_of=DAY, version=1, scored_at=DAY, users=700, unanswered=0, defaulted=0,
        oldest_as_of=DAY, calibration=Calibration(as_of=DAY, version=1, example=example),
    )  # fmt: skip
    line = " ".join(write_trust(load_texts(), trust, DAY))
    assert f"of 100 users with 65 %, {churned_of_100} left" in line
    assert ("did not hold" in line) == is_missed
