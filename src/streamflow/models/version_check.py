"""Check a version before it answers anybody.

Its answers to its own stored requests are compared with the answers that are known.
"""

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

# The largest difference between a compiled model and its pipeline. A forest must be equal to the
# last bit.
TOLERANCE = 1e-12


def require_agreement(
    pipeline: Pipeline, predictor: Predictor, stored: bytes, *, version_name: str
) -> None:
    """Require that the answers to the stored requests are the known ones.

    The predictor answers the requests in one batch. These answers are compared with its answers one
    by one, with the answers of the scikit-learn pipeline, and with the stored answers.

    Args:
        pipeline: the fitted pipeline of the version.
        predictor: the predictor that was compiled from it.
        stored: the content of the file of stored requests.
        version_name: names the version in messages.

    Raises:
        ArtifactUntrusted: the answers differ, or the stored requests cannot be used.
    """
    try:
        probes = parse_probes(stored)
    except ValueError as exc:
        raise ArtifactUntrusted(
            f"{version_name}: its stored requests cannot be read: {exc}"
        ) from exc
    if probes.features != predictor.features or not probes.rows:
        raise ArtifactUntrusted(f"{version_name}: its stored requests are not rows of its features")
    in_batch = predictor.probability_rows(probes.rows)
    one_by_one = np.array([predictor.probability_one(row) for row in probes.rows])
    scikit_learn = predictor.decision.calibrator.apply(_predict_by_pipeline(pipeline, probes))
    stored_answers = np.array(probes.probabilities)
    tolerance = 0.0 if FOREST in pipeline.named_steps else TOLERANCE
    for name, answers, allowed in (
        ("its answers one by one", one_by_one, 0.0),
        ("scikit-learn's answers", scikit_learn, tolerance),
        ("the answers that were stored at training", stored_answers, tolerance),
    ):
        difference = float(np.max(np.abs(in_batch - answers)))
        # A difference that is not a number is refused too.
        if not difference <= allowed:
            raise ArtifactUntrusted(
                f"{version_name}: its answers to its stored requests differ by {difference:.1e} "
                f"from {name}"
            )


def _predict_by_pipeline(pipeline: Pipeline, probes: Probes) -> NDArray[np.float64]:
    """Return scikit-learn's probabilities of the stored requests, before calibration."""
    frame = pl.DataFrame(
        probes.rows,
        schema=list(probes.features),
        orient="row",
        infer_schema_length=None,
    )
    return np.asarray(pipeline.predict_proba(frame.to_pandas())[:, 1])
