"""A result that differs although no level drifted has a verdict of its own."""

from __future__ import annotations

import pytest

from streamflow.steps.versions.rebuild_verdict import (
    DIFFERS,
    IDENTICAL,
    UNEXPLAINED,
    WITHIN,
    name_result,
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
