"""A feature without a value in any training row, such as one that the catalog gained later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from streamflow.catalog import Feature, load_catalog
from streamflow.core.training.calibrator import Calibrator
from streamflow.core.training.decision import Decision
from streamflow.models.kinds import MODEL_KINDS, kind_of
from streamflow.models.model_file import content_digest
from streamflow.models.pipelines import fit_model, raw_frame
from streamflow.models.predictor import compile_predictor

ROWS = 300
DECISION = Decision(calibrator=Calibrator(), threshold=0.5, rule="set", economics=None)


def numeric_features() -> list[Feature]:
    """Return three features that are numbers; the last one has no value in `rows`."""
    features = [
        feature for feature in load_catalog(None).features if feature.column.type == "float"
    ]
    return features[:3]


def rows() -> tuple[pl.DataFrame, np.ndarray]:
    random = np.random.default_rng(4)
    first, second, empty = (feature.name for feature in numeric_features())
    values = random.random(ROWS)
    frame = pl.DataFrame({first: values, second: random.random(ROWS), empty: [None] * ROWS})
    label = (values + 0.3 * random.random(ROWS) > 0.6).astype(np.int8)
    return frame.cast({empty: pl.Float64}), label


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_every_kind_learns_from_the_other_features(kind: str) -> None:
    frame, label = rows()
    features = numeric_features()
    pipeline = fit_model(kind, frame, label, features=features, trees=5, seed=1)
    predictor = compile_predictor(pipeline, DECISION)
    probability = predictor.probability(frame)
    by_scikit_learn = pipeline.predict_proba(raw_frame(frame, features))[:, 1]
    assert np.abs(probability - by_scikit_learn).max() <= kind_of(pipeline).tolerance
    assert probability[label == 1].mean() > probability[label == 0].mean() + 0.3
    matrix = predictor.encoder.encode_frame(frame)
    assert (predictor.explainer.compute_contributions(matrix).columns[:, 2] == 0.0).all()


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_a_column_with_a_value_is_learned_as_it_is(kind: str) -> None:
    frame, label = rows()
    features = numeric_features()
    empty = features[2].name
    filled = frame.with_columns(pl.when(pl.int_range(pl.len()) == 7).then(2.0).alias(empty))
    as_declared = fit_model(kind, filled, label, features=features, trees=5, seed=1)
    declared = MODEL_KINDS[kind]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODEL_KINDS, kind, replace(declared, fills_empty_columns=False))
        untouched = fit_model(kind, filled, label, features=features, trees=5, seed=1)
    assert content_digest(as_declared) == content_digest(untouched)
