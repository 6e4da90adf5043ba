"""Simulated draws as arrays, to state how often a rule is right; no database is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import Column, Feature, load_catalog
from streamflow.core.promotion.gate import (
    GatePolicy,
    MetricComparison,
    VersionAnswers,
    compare_metrics,
    judge_comparison,
)
from streamflow.core.training.decision import Economics
from streamflow.core.training.split import is_holdout
from streamflow.models.compiled_model import compile_model
from streamflow.models.pipelines import encoder_of, fit_model
from streamflow.simulation.drops import simulate_months

FEATURES = load_catalog(None).features
SURVEY = Feature(
    name="survey", view="survey_fv", table="survey", column=Column(type="float", view="survey_fv")
)
NOISE = 0.4  # of the survey around the true log-odds of leaving: worth about 0.03 of AUC
POLICY = GatePolicy(
    rule="paired-bootstrap",
    metric="auc",
    margin=0.0,
    confidence=0.95,
    draws=1000,
    seed=42,
    min_rows=50,
)
MONEY = Economics(kept_value=200, offer_cost=20, offer_success=0.3)


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One simulated drop: rows by key, labels, the hold-out side."""

    frame: pl.DataFrame
    label: NDArray[np.int8]
    holdout: NDArray[np.bool_]

    def answers(self, features: Sequence[Feature], *, seed: int, trees: int) -> NDArray[np.float64]:
        """What a forest fitted on the training side says of the hold-out."""
        rows = self.frame.select(f.name for f in features)
        held = pl.Series(self.holdout)
        pipeline = fit_model(
            "baseline",
            rows.filter(~held),
            self.label[~self.holdout],
            features=features,
            trees=trees,
            seed=seed,
        )
        return compile_model(pipeline)(encoder_of(pipeline).encode_frame(rows.filter(held)))


def draw(seed: int, *, users: int) -> Draw:
    """A drop with the survey, a feature that the catalog does not have."""
    month = next(simulate_months(users, 1, seed, date(2024, 1, 31)))
    truth = np.clip(month.probability, 1e-6, 1 - 1e-6)
    survey = np.log(truth / (1 - truth)) + NOISE * np.random.default_rng(seed).standard_normal(
        len(truth)
    )
    frame = reduce(lambda left, right: left.join(right, on="user_id"), month.tables.values())
    frame = frame.with_columns(survey=pl.Series(survey)).sort("user_id")
    return Draw(
        frame=frame,
        label=frame["churn_label"].cast(pl.Int8).to_numpy(),
        holdout=is_holdout(frame["user_id"], salt="streamflow", share=0.25),
    )


def judged(
    of: Draw, champion: NDArray[np.float64], challenger: NDArray[np.float64]
) -> tuple[bool, MetricComparison]:
    """Whether the gate's default policy promotes, and by what."""
    sides = (VersionAnswers(probability=p, threshold=0.5) for p in (champion, challenger))
    compared = compare_metrics(of.label[of.holdout], *sides, MONEY, POLICY)
    return judge_comparison(compared, POLICY).passed, compared[0]
