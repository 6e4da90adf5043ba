"""A version is tried before it answers anybody: on its own stored requests, against what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.training.stored_requests import Probes, parse_probes
from streamflow.errors import ArtifactUntrusted
from streamflow.models.pipelines import FOREST
from streamflow.models.predictor import Predictor

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

CLOSE = 1e-12  # how far a compiled model may be from its pipeline; a forest is equal to the bit


def require_agreement(
    pipeline: Pipeline, predictor: Predictor, stored: bytes, *, what: str
) -> None:
    """Answer the stored requests, in one batch and one by one, and hold that against the pipeline and what was stored.

    Raises ArtifactUntrusted, which begins with `what`.
    """
    try:
        probes = parse_probes(stored)
    except ValueError as exc:
        raise ArtifactUntrusted(f"{what}: its stored requests cannot be read: {exc}") from exc
    if probes.features != predictor.features or not probes.rows:
        raise ArtifactUntrusted(f"{what}: its stored requests are not rows of its features")
    at_once = predictor.probability_rows(probes.rows)
    one_by_one = np.array([predictor.probability_one(row) for row in probes.rows])
    scikit_learn = predictor.decision.calibrator.apply(_scikit_learn(pipeline, probes))
    bound = 0.0 if FOREST in pipeline.named_steps else CLOSE
    for name, other, allowed in (
        ("what it says of them one by one", one_by_one, 0.0),
        ("scikit-learn's own answers", scikit_learn, bound),
        ("what was stored when it was trained", np.array(probes.probabilities), bound),
    ):
        apart = float(np.max(np.abs(at_once - other)))
        if not apart <= allowed:
            raise ArtifactUntrusted(
                f"{what}: its answers to its stored requests are {apart:.1e} from {name}"
            )


def _scikit_learn(pipeline: Pipeline, probes: Probes) -> NDArray[np.float64]:
    frame = pl.DataFrame(
        probes.rows, schema=list(probes.features), orient="row", infer_schema_length=None
    )
    return np.asarray(pipeline.predict_proba(frame.to_pandas())[:, 1])
