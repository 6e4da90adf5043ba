"""A result that differs although no level drifted has a verdict of its own.

A threshold that flags nobody is the same in today's form and in the form of earlier releases.
"""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from streamflow.core.data.json_text import readable_json
from streamflow.core.statistics.threshold import stored_threshold
from streamflow.core.training.calibration import Calibrator
from streamflow.core.training.decision import MOST_VALUE, Decision, Economics
from streamflow.core.versions.version_files import DECISION
from streamflow.steps.versions.rebuild_verdict import (
    DIFFERS,
    IDENTICAL,
    UNEXPLAINED,
    WITHIN,
    name_result,
    store_as_recorded,
)

ECONOMICS = Economics(kept_value=20.0, offer_cost=20.0, offer_success=0.3)
NOBODY_FLAGGED = Decision(
    threshold=None, rule=MOST_VALUE, calibrator=Calibrator(), economics=ECONOMICS
)


@pytest.mark.parametrize(
    ("result", "is_drifted", "expected"),
    [
        (IDENTICAL, False, IDENTICAL),
        (IDENTICAL, True, IDENTICAL),
        (WITHIN, False, WITHIN),
        (DIFFERS, True, DIFFERS),
        (DIFFERS, False, UNEXPLAINED),
        (UNEXPLAINED, True, DIFFERS),
        (UNEXPLAINED, False, UNEXPLAINED),
    ],
)
def test_the_verdict_says_whether_a_level_explains_the_difference(
    result: str, is_drifted: bool, expected: str
) -> None:
    assert name_result(result, is_drifted=is_drifted) == expected


def recorded_result(decision: Decision, stored: float | str) -> dict[str, Any]:
    """The decision and the metrics in a passport of a release that stored this threshold."""
    file = readable_json({**json.loads(decision.content), "threshold": stored})
    return {
        "decision": {"digest": DECISION.digest(file), "threshold": stored},
        "metrics": {"auc": 0.7, "threshold": None if stored == "none" else stored},
    }


def rebuilt_result(decision: Decision) -> dict[str, Any]:
    """The same of a rebuild."""
    stored = stored_threshold(decision.threshold)
    return {
        "decision": {"digest": decision.digest, "threshold": stored},
        "metrics": {"auc": 0.7, "threshold": decision.threshold},
    }


@pytest.mark.parametrize("stored", [1.0000000000000002, 1.5, inf, "none"])
def test_nobody_flagged_is_the_same_in_each_stored_form(stored: float | str) -> None:
    recorded = recorded_result(NOBODY_FLAGGED, stored)
    rebuilt = rebuilt_result(NOBODY_FLAGGED)
    assert store_as_recorded(recorded, rebuilt, NOBODY_FLAGGED) == recorded


@pytest.mark.parametrize(
    ("recorded", "rebuilt"),
    [
        (NOBODY_FLAGGED, replace(NOBODY_FLAGGED, threshold=0.9)),
        (replace(NOBODY_FLAGGED, threshold=0.9), NOBODY_FLAGGED),
        (NOBODY_FLAGGED, replace(NOBODY_FLAGGED, economics=None)),
    ],
)
def test_a_different_decision_still_differs(recorded: Decision, rebuilt: Decision) -> None:
    threshold = recorded.threshold
    former = recorded_result(recorded, 1.0000000000000002 if threshold is None else threshold)
    result = store_as_recorded(former, rebuilt_result(rebuilt), rebuilt)
    assert result["decision"] != former["decision"]
