"""Explain the answers of a predictor: the reasons of one row, or of many rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from streamflow.core.serving.reasons import Explanation, Floats, build_explanation, sum_by_feature
from streamflow.models.encoder import Value
from streamflow.models.model_kind import LOG_ODDS
from streamflow.models.predictor import Predictor

if TYPE_CHECKING:
    import polars as pl


def explain(
    predictor: Predictor,
    values: Sequence[Value],
    display_names: Mapping[str, str],
    *,
    probability: float,
) -> Explanation:
    """Return the reasons of one row of raw values.

    Args:
        predictor: the predictor whose answer is explained.
        values: in the order of the predictor's features.
        display_names: feature -> its name for people.
        probability: what the predictor answers for this row.
    """
    matrix = predictor.encoder.encode_rows([values])
    probabilities = np.array([probability])
    rows = [tuple(values)]
    return next(_explain_matrix(predictor, matrix, rows, display_names, probabilities))


def explain_rows(
    predictor: Predictor,
    frame: pl.DataFrame,
    display_names: Mapping[str, str],
    *,
    probability: Floats,
) -> Iterator[Explanation]:
    """Yield the reasons of each row.

    Args:
        predictor: the predictor whose answers are explained.
        frame: the rows; its columns are found by name.
        display_names: feature -> its name for people.
        probability: what the predictor answers for these rows, (n,).
    """
    if len(frame):
        rows = frame.select(predictor.features).rows()
        yield from _explain_matrix(
            predictor,
            predictor.encoder.encode_frame(frame),
            rows,
            display_names,
            probability,
        )


def _explain_matrix(
    predictor: Predictor,
    matrix: Floats,
    rows: Sequence[tuple[Value, ...]],
    words: Mapping[str, str],
    probability: Floats,
) -> Iterator[Explanation]:
    """Yield the reasons of each row, which is given as raw values and as encoded."""
    unit = predictor.explainer.unit
    terms = predictor.explainer.compute_contributions(matrix)
    calibration = _measure_calibration(predictor, probability, terms.margin, unit)
    contributions = sum_by_feature(terms.columns, predictor.encoder.columns, predictor.features)
    for values, margin, row_calibration, row_contributions in zip(
        rows,
        terms.margin.tolist(),
        calibration.tolist(),
        contributions.tolist(),
        strict=True,
    ):
        yield build_explanation(
            unit=unit,
            base=terms.base,
            margin=margin,
            calibration=row_calibration,
            values=dict(zip(predictor.features, values, strict=True)),
            contributions=row_contributions,
            background=predictor.background,
            words=words,
        )


def _measure_calibration(
    predictor: Predictor,
    probability: Floats,
    margin: Floats,
    unit: str,
) -> Floats:
    """Return what the calibration adds to the margin of each row, (n,)."""
    if not predictor.decision.calibrator.raw:
        return np.zeros(len(margin))
    served = probability
    if unit == LOG_ODDS:
        served = np.log(served) - np.log1p(-served)
    return np.asarray(served - margin)
