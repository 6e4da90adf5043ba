"""Which workers of the engine may do work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamflow.steps.data.worker_installation import (
    PREDICTING_PACKAGES,
    READING_PACKAGES,
    check_installation,
)


def double(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("packages", [READING_PACKAGES, PREDICTING_PACKAGES])
def test_a_worker_with_a_different_code_or_package_does_nothing(packages: tuple[str, ...]) -> None:
    work = check_installation(double, packages)
    assert work(3) == 6
    with pytest.raises(ValueError, match="a different code of streamflow"):
        replace(work, code="of the command")(3)
    other = replace(work, versions={**work.versions, "polars": "0.1"})
    with pytest.raises(ValueError, match=r"this worker has polars .*, and the command has 0\.1"):
        other(3)
