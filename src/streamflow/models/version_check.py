"""Check whether a version answers its stored requests as it did at its training.

The gate and the loading of a version that is going to answer users share this check.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamflow.core.training.stored_requests import Probes, parse_probes
from streamflow.errors import ArtifactUntrusted
from streamflow.models.file_object import FileObject
from streamflow.models.kinds import kind_of
from streamflow.models.predictor import Predictor

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True)
class AnswerCheck:
    """The result of asking a version its stored requests.

    Attributes:
        requests: how many were asked.
        largest_difference: of the answers from those that were stored at training; not a number
            when the requests cannot be asked.
        problem: what is wrong, in words; empty when the version answers as recorded.
    """

    requests: int
    largest_difference: float
    problem: str


def check_answers(
    predictor: Predictor, stored: bytes, *, pipeline: Pipeline | None = None
) -> AnswerCheck:
    """Compare the answers of a version to its stored requests with the answers that are known.

    The predictor answers the requests in one batch. These answers are compared with its answers one
    by one, with the answers of the scikit-learn pipeline, and with the stored answers. The kind of
    the model decides how large a difference may be. A predictor that was read without scikit-learn
    has no such pipeline: if none is given, the stored answers, which agreed with it at training,
    must do.

    Args:
        predictor: the predictor of the version.
        stored: the content of the file of stored requests.
        pipeline: the pipeline of the version as scikit-learn's objects; by default the one that the
            predictor was made from.
    """
    try:
        probes = parse_probes(stored)
    except ValueError as exc:
        return _refuse(f"its stored requests cannot be read: {exc}")
    if probes.features != predictor.features or not probes.rows:
        return _refuse("its stored requests are not rows of its features")
    in_batch = predictor.probability_rows(probes.rows)
    own_pipeline = predictor.explainer.pipeline
    if pipeline is None and not isinstance(own_pipeline, FileObject):
        pipeline = own_pipeline
    problem = next(_find_differences(predictor, probes, in_batch, pipeline), "")
    return AnswerCheck(
        requests=len(probes.rows),
        largest_difference=_largest_difference(in_batch, np.array(probes.probabilities)),
        problem=problem,
    )


def require_agreement(
    predictor: Predictor,
    stored: bytes,
    *,
    version_name: str,
    pipeline: Pipeline | None = None,
) -> None:
    """Require that a version answers its stored requests as recorded: see `check_answers`.

    Raises:
        ArtifactUntrusted: the answers differ, or the stored requests cannot be used.
    """
    problem = check_answers(predictor, stored, pipeline=pipeline).problem
    if problem:
        raise ArtifactUntrusted(f"{version_name}: {problem}")


def _refuse(problem: str) -> AnswerCheck:
    return AnswerCheck(requests=0, largest_difference=float("nan"), problem=problem)


def _find_differences(
    predictor: Predictor,
    probes: Probes,
    in_batch: NDArray[np.float64],
    pipeline: Pipeline | None,
) -> Iterator[str]:
    """Yield a sentence for each kind of known answers that the answers in a batch differ from."""
    tolerance = kind_of(predictor.explainer.pipeline).tolerance
    one_by_one = np.array([predictor.probability_one(row) for row in probes.rows])
    known_answers = [
        ("its answers one by one", one_by_one, 0.0),
        ("the answers that were stored at training", np.array(probes.probabilities), tolerance),
    ]
    if pipeline is not None:
        by_pipeline = _predict_by_pipeline(pipeline, predictor, probes)
        known_answers.append(("scikit-learn's answers", by_pipeline, tolerance))
    for name, answers, allowed in known_answers:
        difference = _largest_difference(in_batch, answers)
        # A difference that is not a number is refused too.
        if not difference <= allowed:
            yield f"its answers to its stored requests differ by {difference:.1e} from {name}"


def _largest_difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the largest difference of two rows of answers; infinity for different lengths."""
    return float(np.max(np.abs(a - b))) if a.shape == b.shape else float("inf")


def _predict_by_pipeline(
    pipeline: Pipeline, predictor: Predictor, probes: Probes
) -> NDArray[np.float64]:
    """Return the calibrated probabilities of the stored requests by scikit-learn's pipeline."""
    import pandas as pd  # The API checks a version too: it has no polars.

    frame = pd.DataFrame(probes.rows, columns=list(probes.features))
    probabilities = pipeline.predict_proba(frame)[:, 1]
    return np.asarray(predictor.decision.calibrator.apply(probabilities))
