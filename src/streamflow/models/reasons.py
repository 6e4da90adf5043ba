"""Why a predictor says what it says: of one row, or of many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from streamflow.core.serving.reasons import Explanation, Floats, by_feature, explanation
from streamflow.models.encoder import Value
from streamflow.models.predictor import Predictor


def explain(predictor: Predictor, values: Sequence[Value], words: Mapping[str, str]) -> Explanation:
    """The reasons of one row of raw values, in the order of the predictor's features.

    words   feature -> what people call it
    """
    return next(_explained(predictor, predictor.encoder.rows([values]), [tuple(values)], words))


def explain_rows(
    predictor: Predictor, frame: pl.DataFrame, words: Mapping[str, str]
) -> Iterator[Explanation]:
    """The reasons of each row; the frame's columns are found by name."""
    if len(frame):
        rows = frame.select(predictor.features).rows()
        yield from _explained(predictor, predictor.encoder.matrix(frame), rows, words)


def _explained(
    predictor: Predictor,
    matrix: Floats,
    rows: Sequence[tuple[Value, ...]],
    words: Mapping[str, str],
) -> Iterator[Explanation]:
    terms = predictor.explainer.terms(matrix)
    added = by_feature(terms.columns, predictor.encoder.columns, predictor.features)
    for values, margin, contributions in zip(
        rows, terms.margin.tolist(), added.tolist(), strict=True
    ):
        yield explanation(
            unit=predictor.explainer.unit,
            base=terms.base,
            margin=margin,
            values=dict(zip(predictor.features, values, strict=True)),
            contributions=contributions,
            background=predictor.background,
            words=words,
        )
