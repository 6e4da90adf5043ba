"""Which workers of the engine may answer."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from streamflow.runtime import code_digest
from streamflow.steps.serving.engine_answers import ScoreWork, read_versions


class NoRule:
    """It stands for the rule: it answers no rows."""

    def answer(self, rows: pl.DataFrame) -> pl.DataFrame:
        schema = {"features_as_of": pl.Datetime("us", "UTC"), "prediction": pl.Int16}
        return pl.DataFrame(schema=schema)


def work(code: str, versions: dict[str, str]) -> ScoreWork:
    rule: Any = NoRule()
    return ScoreWork(rule=rule, names={}, instants=(), code=code, versions=versions)


def test_a_worker_with_a_different_code_or_package_does_not_answer() -> None:
    rows = pl.DataFrame()
    versions = read_versions()
    assert work(code_digest(), versions)(rows).is_empty()
    with pytest.raises(ValueError, match="a different code of streamflow"):
        work("of the command", versions)(rows)
    with pytest.raises(ValueError, match=r"this worker has polars .*, and the command has 0\.1"):
        work(code_digest(), {**versions, "polars": "0.1"})(rows)
