"""`score` against `predict` on the real drops, users with nulls included. Skipped where the drops are absent."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import polars as pl
from support.chain import FEBRUARY, JANUARY, in_production, run

from streamflow.platform import Platform
from streamflow.steps.predict import answer, load_serving
from streamflow.steps.score import score
from streamflow.warehouse import scores


def test_score_says_what_predict_says_of_every_user(platform: Platform, real_drops: Path) -> None:
    run(platform, real_drops / "month_000", JANUARY)
    in_production(platform, JANUARY)
    serving = load_serving(platform)
    for month, day in (("month_000", JANUARY), ("month_001", FEBRUARY)):
        run(platform, real_drops / month, day)
        rows = pl.concat(scores.rows_of(platform.address, score(platform, day).run))
        found = serving.reader.read_many(platform.connection, rows["key"].to_list())
        assert any(None in row.values for row in found if row)
        told = [serving.predictor.probability_one(row.values) for row in found if row]
        assert [p.hex() for p in told] == [p.hex() for p in rows["probability"]]
        assert [int(p >= serving.predictor.threshold) for p in told] == rows["prediction"].to_list()
        assert answer(serving, platform.connection, rows["key"][0], request_id=uuid4().hex).probability == told[0]
        assert rows["missing"].null_count() == len(rows)
