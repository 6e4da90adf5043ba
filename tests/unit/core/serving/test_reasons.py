"""Reasons add up to the margin and are the Shapley values.

They are the same one by one and in a batch.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from streamflow.catalog import Catalog, parse_catalog
from streamflow.core.training.background import build_background, parse_background
from streamflow.core.training.calibration import fit_calibrator
from streamflow.core.training.calibrator import Calibrator
from streamflow.core.training.decision import Decision, Economics
from streamflow.errors import ArtifactUntrusted
from streamflow.models.kinds import MODEL_KINDS
from streamflow.models.kinds.baseline import FOREST
from streamflow.models.model_file import load_background
from streamflow.models.pipelines import ENCODE, fit_model, raw_frame
from streamflow.models.predictor import Predictor, compile_predictor
from streamflow.models.reasons import explain, explain_rows

CATALOG = """
model = "reasons"
[entity]
name = "user"
key = "user_id"
table = "facts"
[label]
table = "labels"
column = "left"
[views.facts_fv]
table = "facts"
[tables.facts.columns]
fee    = { type = "float", nullable = true, view = "facts_fv", words = "monthly fee" }
months = { type = "int", view = "facts_fv" }
flag   = { type = "bool", view = "facts_fv" }
net    = { type = "string", nullable = true, categorical = true, view = "facts_fv" }
plan   = { type = "bool", nullable = true, categorical = true, view = "facts_fv" }
[tables.labels.columns]
left = { type = "bool" }
"""
FORESTS = ("baseline", "forest")
MONEY = Economics(kept_value=200, offer_cost=20, offer_success=0.3)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return parse_catalog(CATALOG, origin="test")


def drawn(n: int, *, seed: int, networks: tuple[str, ...] = ("DSL", "Fiber")) -> pl.DataFrame:
    """Rows with nulls in every nullable column."""
    draw = np.random.default_rng(seed)

    def some(values: Any) -> pl.Series:
        return pl.select(
            pl.when(pl.Series(draw.random(n) < 0.85)).then(pl.Series(values))
        ).to_series()

    return pl.DataFrame(
        {
            "fee": some(draw.normal(60, 20, n).round(2)),
            "months": draw.integers(0, 72, n),
            "flag": draw.random(n) < 0.6,
            "net": some(np.array(networks)[draw.integers(0, len(networks), n)]),
            "plan": some(draw.random(n) < 0.5),
        }
    )


def fitted(
    catalog: Catalog, kind: str, *, n: int = 600, trees: int = 12
) -> tuple[Any, Predictor, pl.DataFrame]:
    frame = drawn(n, seed=1)
    fee = frame["fee"].fill_null(60).to_numpy() / 40
    label = np.random.default_rng(2).random(n) < 1 / (
        1 + np.exp(2.5 - fee - (frame["net"] == "Fiber").fill_null(False).to_numpy())
    )
    pipeline = fit_model(
        kind, frame, label.astype(np.int8), features=catalog.features, trees=trees, seed=3
    )
    decision = Decision(
        threshold=0.5,
        rule="set",
        calibrator=Calibrator(raw=(0.0, 1.0), calibrated=(0.1, 0.8)),
        economics=MONEY,
    )
    return (
        pipeline,
        compile_predictor(pipeline, decision, build_background(frame, ["net", "plan"])),
        frame,
    )


def margin_of(
    pipeline: Any, kind: str, frame: pl.DataFrame, catalog: Catalog
) -> NDArray[np.float64]:
    """By scikit-learn alone."""
    raw = raw_frame(frame, catalog.features)
    return np.asarray(
        pipeline.predict_proba(raw)[:, 1] if kind in FORESTS else pipeline.decision_function(raw)
    )


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_reasons_add_up_to_what_scikit_learn_says_with_nulls_and_unseen_categories(
    catalog: Catalog, kind: str
) -> None:
    pipeline, predictor, _ = fitted(catalog, kind)
    frame = drawn(200, seed=5, networks=("DSL", "Fiber", "never seen"))
    expected = margin_of(pipeline, kind, frame, catalog)
    found = list(explain_rows(predictor, frame, {}, probability=predictor.probability(frame)))
    assert np.abs([f.margin for f in found] - expected).max() < 1e-9
    sums = [f.base + sum(c.contribution for c in f.contributions) for f in found]
    assert np.abs(sums - expected).max() < 1e-9
    assert {f.unit for f in found} == {"probability" if kind in FORESTS else "log-odds"}
    assert np.std(sums) > 0.01
    assert all(
        [abs(c.contribution) for c in f.contributions]
        == sorted(abs(c.contribution) for c in f.contributions)[::-1]
        for f in found
    )


@pytest.mark.parametrize("is_calibrated", [True, False])
@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_reasons_end_where_the_served_probability_does(
    catalog: Catalog, kind: str, *, is_calibrated: bool
) -> None:
    pipeline, _, frame = fitted(catalog, kind)
    out_of_fold = np.random.default_rng(4).random(300)
    label = np.random.default_rng(5).random(300) < out_of_fold**2
    calibrator = fit_calibrator(out_of_fold, label) if is_calibrated else Calibrator()
    decision = Decision(threshold=0.5, rule="set", calibrator=calibrator, economics=MONEY)
    predictor = compile_predictor(pipeline, decision, build_background(frame, ["net", "plan"]))
    rows = pl.concat([drawn(150, seed=seed, networks=("DSL", "never seen")) for seed in (9, 10)])
    found = list(explain_rows(predictor, rows, {}, probability=predictor.probability(rows)))
    sums = np.array(
        [f.base + sum(c.contribution for c in f.contributions) + f.calibration for f in found]
    )
    if found[0].unit == "log-odds":
        sums = 1 / (1 + np.exp(-sums))
    assert np.abs(sums - predictor.probability(rows)).max() < 1e-9
    assert all(bool(f.calibration) == is_calibrated for f in found)


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_one_row_has_the_bits_of_a_batch(catalog: Catalog, kind: str) -> None:
    _, predictor, _ = fitted(catalog, kind)
    frame = drawn(40, seed=6)
    probability = predictor.probability(frame)
    assert list(explain_rows(predictor, frame, {}, probability=probability)) == [
        explain(predictor, row, {}, probability=predictor.probability_one(row))
        for row in frame.iter_rows()
    ]
    assert list(explain_rows(predictor, frame.head(0), {}, probability=np.empty(0))) == []


def test_they_are_the_shapley_values_of_the_trees(catalog: Catalog) -> None:
    """Shapley values by the definition: over all sets of columns.

    A split on a column outside the set goes both ways, weighted by rows.
    """
    pipeline, predictor, _ = fitted(catalog, "baseline", trees=3, n=120)
    frame = drawn(5, seed=8)
    matrix = (
        pipeline.named_steps[ENCODE]
        .transform(raw_frame(frame, catalog.features))
        .astype(np.float32)
    )
    trees = [e.tree_ for e in pipeline.named_steps[FOREST].estimators_]
    told = predictor.explainer.compute_contributions(matrix.astype(np.float64))
    width = matrix.shape[1]
    for row in range(len(frame)):
        worth = {
            known: float(np.mean([expected(tree, matrix[row], set(known)) for tree in trees]))
            for size in range(width + 1)
            for known in combinations(range(width), size)
        }
        assert told.base == pytest.approx(worth[()], abs=1e-12)
        for column in range(width):
            others = [c for c in range(width) if c != column]
            shapley = sum(
                (worth[tuple(sorted((*known, column)))] - worth[known])
                / (width * comb(width - 1, len(known)))
                for size in range(width)
                for known in combinations(others, size)
            )
            assert told.columns[row, column] == pytest.approx(shapley, abs=1e-12)


def expected(tree: Any, row: NDArray[np.float32], known: set[int], node: int = 0) -> float:
    """What a tree says of a row of which only some columns are known."""
    left, right = tree.children_left[node], tree.children_right[node]
    if left < 0:
        return float(tree.value[node, 0, 1] / tree.value[node, 0].sum())
    column = tree.feature[node]
    if column in known:
        to_left = (
            bool(tree.missing_go_to_left[node])
            if np.isnan(row[column])
            else row[column] <= tree.threshold[node]
        )
        return expected(tree, row, known, left if to_left else right)
    rows = tree.n_node_samples
    return (
        rows[left] * expected(tree, row, known, left)
        + rows[right] * expected(tree, row, known, right)
    ) / rows[node]


def test_each_reason_has_words_the_value_and_what_is_usual(catalog: Catalog) -> None:
    _, predictor, frame = fitted(catalog, "logistic")
    words = {f.name: f.column.words for f in catalog.features if f.column.words}
    row = (95.5, 3, True, "Fiber", None)
    explanation = explain(predictor, row, words, probability=predictor.probability_one(row))
    found = {c.feature: c for c in explanation.contributions}
    assert [found[f.name].value for f in catalog.features] == list(row)
    assert found["fee"].words == "monthly fee"
    assert found["months"].words == "months"
    assert found["fee"].population.mean == pytest.approx(float(frame["fee"].mean()))  # type: ignore[arg-type]
    assert found["fee"].population.share is None
    assert found["net"].population.share == pytest.approx(
        (frame["net"] == "Fiber").sum() / len(frame)
    )
    assert found["plan"].population.share == pytest.approx(frame["plan"].null_count() / len(frame))
    assert found["flag"].population.share == pytest.approx(frame["flag"].mean())  # type: ignore[arg-type]
    assert "monthly fee is 95.5 (on average" in str(found["fee"])
    assert "net is Fiber (as" in str(found["net"])


def test_what_is_usual_is_read_back_and_a_broken_file_refused() -> None:
    whole = build_background(drawn(50, seed=1), ["net", "plan"])
    assert parse_background(whole.content) == whole
    for broken in (b"{}", b"[]", b'{"rows": 1, "features": {"fee": {}}}', b"nothing"):
        with pytest.raises(ValueError, match=r"missing|attribute|line 1"):
            parse_background(broken)


def test_what_is_usual_is_not_parsed_unless_it_is_what_was_registered() -> None:
    content = build_background(drawn(50, seed=1), ["net", "plan"]).content
    assert load_background(content, expected_digest=sha256(content).hexdigest()).rows == 50
    with pytest.raises(
        ArtifactUntrusted, match="background.json has the digest .* it was not parsed"
    ):
        load_background(content.replace(b"50", b"51"), expected_digest=sha256(content).hexdigest())
    with pytest.raises(ArtifactUntrusted, match="background.json"):
        load_background(b"{}", expected_digest=sha256(b"{}").hexdigest())
