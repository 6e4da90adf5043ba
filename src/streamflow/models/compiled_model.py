"""Compile fitted pipelines into functions that predict.

A compiled model is fast and needs no thread. It gives the same bits for a row alone and for the
same row in a batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.models.kinds import kind_of
from streamflow.models.model_kind import CompiledModel

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def compile_model(pipeline: Pipeline) -> CompiledModel:
    """Compile the part of a fitted pipeline that follows the encoder.

    Its answers are within the tolerance of the kind from the answers of scikit-learn.
    """
    return kind_of(pipeline).compile(pipeline)
