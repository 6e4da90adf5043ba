"""The kinds of models: one module for each, and the same names in the settings."""

from __future__ import annotations

from typing import get_args

import numpy as np
import polars as pl
import pytest

from streamflow.catalog import Column, Feature
from streamflow.core.statistics.metrics import auc
from streamflow.core.training.calibrator import Calibrator
from streamflow.core.training.decision import Decision
from streamflow.model_names import ModelName
from streamflow.models.kinds import MODEL_KINDS
from streamflow.models.pipelines import fit_model
from streamflow.models.predictor import compile_predictor


def test_the_settings_name_every_kind_and_auto() -> None:
    assert {*MODEL_KINDS, "auto"} == set(get_args(ModelName))


def test_the_simplest_kind_comes_first() -> None:
    assert list(MODEL_KINDS) == ["logistic", "baseline", "forest", "boosting"]


def test_a_kind_is_explained_by_trees_or_by_terms_and_known_by_its_steps() -> None:
    kinds = list(MODEL_KINDS.values())
    assert all((kind.read_trees is None) != (kind.compute_terms is None) for kind in kinds)
    assert len({kind.steps for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("kind", MODEL_KINDS)
@pytest.mark.parametrize("filled_rows", [0, 1])
def test_a_feature_without_any_value_teaches_nothing(kind: str, filled_rows: int) -> None:
    """Every kind learns from such rows, and answers for a row that has a value."""
    random = np.random.default_rng(1)
    label = (random.random(400) < 0.3).astype(int)
    number = Column(type="float", nullable=True, view="usage")
    features = [
        Feature(name=name, view="usage", table="usage", column=number) for name in ("hours", "new")
    ]
    hours = random.normal(size=400) + label
    empty = pl.Series([7.0] * filled_rows + [None] * (400 - filled_rows), dtype=pl.Float64)
    frame = pl.DataFrame({"hours": hours, "new": empty})
    pipeline = fit_model(kind, frame, label, features=features, trees=20, seed=1)
    decision = Decision(threshold=0.5, rule="set", calibrator=Calibrator(), economics=None)
    predictor = compile_predictor(pipeline, decision)
    without = predictor.probability(frame)
    assert auc(label, without) > 0.7
    with_values = predictor.probability(frame.with_columns(new=pl.lit(3.0)))
    assert np.isfinite(with_values).all()
    if not filled_rows:
        assert with_values.tolist() == without.tolist()
