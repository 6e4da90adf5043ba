"""What a kind of model consists of: see the package `kinds`, which has a module for each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Floats = NDArray[np.float64]
# The units of an answer that is explained.
LOG_ODDS = "log-odds"
PROBABILITY = "probability"
#: The encoder's matrix (n, width) with n > 0 -> probabilities (n,).
CompiledModel = Callable[[Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """What decides a fit beside its rows.

    Attributes:
        trees: the number of trees of a forest.
        seed: for everything that is random.
        leaf_size: the fewest training rows in a leaf: one of the sizes of the kind.
    """

    trees: int
    seed: int
    leaf_size: int


@dataclass(frozen=True, kw_only=True)
class LearnedContent:
    """What an estimator has learned, in the form in which the content digest covers it.

    Attributes:
        format_name: name and version of the format.
        header_fields: the facts of the estimator in the line of JSON.
        arrays: its arrays, each with the type in which it is written.
    """

    format_name: str
    header_fields: dict[str, Any]
    arrays: Iterable[tuple[Any, str]]


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A tree as arrays of shape (nodes,), one value per node. A leaf has left_child < 0."""

    left_child: NDArray[np.int64]
    right_child: NDArray[np.int64]
    column: NDArray[np.int64]
    threshold: Floats
    null_left: NDArray[np.bool_]
    rows: NDArray[np.int64]
    value: Floats


@dataclass(frozen=True, kw_only=True)
class Contributions:
    """The contributions of the encoder's columns to the margins of rows.

    For each row `base` plus the sum of its `columns` is its `margin`.

    Attributes:
        base: the answer without any contribution.
        margin: (n,)
        columns: (n, width)
    """

    base: float
    margin: Floats
    columns: Floats


@dataclass(frozen=True, kw_only=True)
class ModelKind:
    """One kind of model, with everything that depends on the kind.

    A kind is explained either by its trees or by its terms: one of `read_trees` and
    `compute_terms` is None.

    Attributes:
        name: the name in the settings.
        rank: 1 for the simplest kind. Of equally good kinds the simplest is chosen.
        steps: the names of the pipeline's steps that follow the encoder.
        create: returns these steps, not fitted.
        leaf_sizes: the candidates of the leaf size; with more than one it is chosen in training.
        is_candidate: whether `auto` tries the kind.
        threaded_step: the step that is fitted with several threads; empty for none.
        needs_values: whether the estimator refuses a column without any value. Such a column is
            then learned from as zeros, in which no tree finds a split.
        code: the module of `portable` whose `compile_model` makes the function that predicts from a
            fitted pipeline. Every version of the kind takes a copy of it with it.
        for_batches: makes the compiled model faster for many rows, with the same bits. None if the
            kind has no faster way.
        for_requests: makes the compiled model faster for few rows, with the same bits. It takes
            time and memory, so only a process that answers many requests does it.
        required_packages: what this module needs beside the packages that every kind needs.
        tolerance: the largest difference between a compiled model and its pipeline.
        read_learned: returns what the content digest covers.
        require_bounds: called with a loaded pipeline and the width of the encoder's matrix. Raises
            ValueError when C code would read outside of its arrays.
        trusted_types: the types that skops may read beside those of every kind.
        margin_unit: the unit of the answer that is explained.
        needs_objects: whether the compiled model is made from scikit-learn's objects, so that the
            arrays of the file are not enough.
        matrix_type: the type in which the model compares the values of the matrix.
        read_trees: returns the trees and the number of their columns.
        compute_terms: returns the contributions of the columns of a matrix.
    """

    name: str
    rank: int
    steps: tuple[str, ...]
    create: Callable[[FitOptions], list[tuple[str, Any]]]
    leaf_sizes: tuple[int, ...] = (1,)
    is_candidate: bool = True
    threaded_step: str = ""
    needs_values: bool = False
    code: ModuleType
    for_batches: Callable[[Any], CompiledModel] | None = None
    for_requests: Callable[[Any], CompiledModel] | None = None
    required_packages: tuple[str, ...] = ()
    tolerance: float
    read_learned: Callable[[Pipeline], LearnedContent]
    require_bounds: Callable[[Pipeline, int], None]
    trusted_types: tuple[str, ...] = ()
    margin_unit: str
    needs_objects: bool = False
    matrix_type: type[np.floating[Any]] = np.float64
    read_trees: Callable[[Pipeline], tuple[Iterable[Tree], int]] | None = None
    compute_terms: Callable[[Pipeline, Floats], Contributions] | None = None

    def compile(self, pipeline: Pipeline) -> CompiledModel:
        """Make the function that predicts from a fitted pipeline of this kind."""
        compiled: CompiledModel = self.code.compile_model(pipeline)
        return compiled if self.for_batches is None else self.for_batches(compiled)
