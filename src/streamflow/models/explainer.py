"""Compute the reasons of an answer: what each column of the matrix adds to it.

Trees are explained by Shapley values, whose weights are the training rows of each node. So the base
is about the average answer for the population.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from streamflow.models.kinds import kind_of
from streamflow.models.model_kind import Contributions, Floats
from streamflow.models.tree_shap import TreeShap

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """Computes the contributions for a fitted pipeline.

    The trees are prepared when they are first needed.
    """

    pipeline: Pipeline

    @property
    def unit(self) -> str:
        """Return the unit of the margin, which the kind of the model decides."""
        return kind_of(self.pipeline).margin_unit

    def compute_contributions(self, matrix: Floats) -> Contributions:
        """Return the contributions of each column of the encoder's matrix (n, width), n > 0."""
        kind = kind_of(self.pipeline)
        if kind.compute_terms is not None:
            return kind.compute_terms(self.pipeline, matrix)
        # The values are compared as the model compares them.
        return self._tree_shap.compute(matrix.astype(kind.matrix_type).astype(np.float64))

    @cached_property
    def _tree_shap(self) -> TreeShap:
        """The trees of the pipeline, numbered for the computation."""
        read_trees = kind_of(self.pipeline).read_trees
        assert read_trees is not None  # otherwise the kind is explained by its terms
        trees, width = read_trees(self.pipeline)
        return TreeShap(trees, width)
