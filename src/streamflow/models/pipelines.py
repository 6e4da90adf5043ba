"""The pipelines of the models: encoded categories and plain numbers, followed by an estimator.

A fitted and saved model is a scikit-learn pipeline of standard parts. It takes a pandas frame with
the raw features, so that every MLflow user can load it. `encoder_of` creates from it the Encoder
that serving uses; both give the same matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamflow.catalog import Feature
from streamflow.errors import TrainingImpossible
from streamflow.models.empty_columns import fill_empty_columns
from streamflow.models.encoder import Category, Encoder, Matrix
from streamflow.models.kinds import MODEL_KINDS
from streamflow.models.model_kind import FitOptions

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    from streamflow.models.stacked_frame import StackedFrame

# The transformer of the features that are not categorical.
NUMBERS = "numbers"
# The first step of every pipeline.
ENCODE = "encode"
# Threads while a forest is fitted. Each thread builds whole trees, so the number of threads changes
# no bit of them. A test proves it.
FIT_JOBS = 2
# From this number of rows times trees on, threads are faster. For less work, starting the threads
# takes longer than they save.
MIN_PARALLEL_WORK = 50_000


def fit_model(
    kind: str,
    frame: pl.DataFrame,
    label: NDArray[Any],
    *,
    features: Sequence[Feature],
    trees: int,
    seed: int,
    leaf_size: int | None = None,
) -> Pipeline:
    """Fit a model of the given kind.

    Args:
        kind: one of MODEL_KINDS.
        frame: (n, features) in the order of the keys. The order decides the random samples.
        label: (n,)
        features: as the catalog declares them.
        trees: the number of trees of a forest.
        seed: for everything that is random in the fit.
        leaf_size: the fewest training rows in a leaf; by default the first size of the kind.

    Raises:
        TrainingImpossible: there are no rows, or rows of one class only.
    """
    from streamflow.models.stacked_frame import StackedFrame

    return fit_encoded(
        kind,
        encode_rows(StackedFrame.from_frame(frame), features),
        label,
        trees=trees,
        seed=seed,
        leaf_size=leaf_size,
    )


@dataclass(frozen=True, kw_only=True)
class EncodedRows:
    """Rows as the estimators take them. Several models can be fitted on them.

    Attributes:
        transformer: the fitted ColumnTransformer, the first step of every pipeline.
        matrix: what it makes of the rows, (n, width).
    """

    transformer: ColumnTransformer
    matrix: NDArray[Any]


def encode_rows(rows: StackedFrame, features: Sequence[Feature]) -> EncodedRows | None:
    """Fit the first step of a pipeline on rows, and encode them, one block after another.

    Returns:
        None where there are no rows.
    """
    if len(rows) == 0:
        return None
    transformer = _create_column_transformer(features)
    transformer.fit(raw_frame(_find_categories(rows, features), features))
    encoder = _read_encoder(transformer)
    # The order in memory that scikit-learn gives the matrix: the last bits of a sum depend on it.
    matrix = np.zeros((len(rows), encoder.width), order="C" if encoder.categories else "F")
    _encode_blocks(encoder, rows, matrix)
    return EncodedRows(transformer=transformer, matrix=matrix)


def _find_categories(rows: StackedFrame, features: Sequence[Feature]) -> pl.DataFrame:
    """Return a small frame that has each category of the rows.

    The first step of a pipeline learns nothing else, so it learns the same from this frame.
    """
    import polars as pl

    values: dict[str, pl.Series] = {}
    for frame in rows.read_blocks():
        for feature in features:
            column = frame[feature.name]
            present = column.unique() if feature.column.categorical else column[:1]
            categories = values.get(feature.name, present[:0])
            values[feature.name] = pl.concat([categories, present]).unique()
    height = max(map(len, values.values()))
    return pl.DataFrame([
        column.extend_constant(column[0], height - len(column)) for column in values.values()
    ])  # fmt: skip


def encode_blocks(encoder: Encoder, rows: StackedFrame) -> Matrix:
    """Encode rows, one block after another. (n, width)"""
    matrix = np.zeros((len(rows), encoder.width))
    _encode_blocks(encoder, rows, matrix)
    return matrix


def _encode_blocks(encoder: Encoder, rows: StackedFrame, matrix: Matrix) -> None:
    """Encode rows into a matrix of zeros."""
    begin = 0
    for frame in rows.read_blocks():
        end = begin + len(frame)
        encoder.encode_frame_into(frame, matrix[begin:end])
        begin = end


def fit_encoded(
    kind: str,
    rows: EncodedRows | None,
    label: NDArray[Any],
    *,
    trees: int,
    seed: int,
    leaf_size: int | None = None,
) -> Pipeline:
    """Fit a model of the given kind on rows that are encoded already: see `fit_model`."""
    from sklearn.pipeline import Pipeline
    from threadpoolctl import threadpool_limits

    require_both_classes(label)
    assert rows is not None  # there are labels of two classes
    if leaf_size is None:
        leaf_size = MODEL_KINDS[kind].leaf_sizes[0]
    options = FitOptions(trees=trees, seed=seed, leaf_size=leaf_size)
    estimator = Pipeline(MODEL_KINDS[kind].create(options))
    threaded_step = MODEL_KINDS[kind].threaded_step
    if threaded_step:
        use_threads = len(label) * trees >= MIN_PARALLEL_WORK
        estimator.named_steps[threaded_step].set_params(n_jobs=FIT_JOBS if use_threads else 1)
    matrix = rows.matrix
    if MODEL_KINDS[kind].needs_values:
        matrix = fill_empty_columns(matrix)
    # One thread of BLAS and OpenMP: a sum in a different order has different last bits.
    with threadpool_limits(1):
        estimator.fit(matrix, label.astype(np.int64))
    if threaded_step:
        # In predictions several threads would add up the trees' answers in the order in which the
        # threads finish (trap 11).
        estimator.named_steps[threaded_step].set_params(n_jobs=1)
    return Pipeline([(ENCODE, rows.transformer), *estimator.steps])


def require_both_classes(
    label: NDArray[Any], *, name: str = "the training side of the split"
) -> None:
    """Raise TrainingImpossible when there are no rows to learn from, or rows of one class only.

    `name` says in the message which rows these are.
    """
    classes = np.unique(label)
    if len(classes) < 2:
        if len(label) == 0:
            reason = "there are no rows"
        elif len(label) == 1:
            reason = f"the only label is {classes[0]}"
        else:
            reason = f"all {len(label)} labels are {classes[0]}"
        raise TrainingImpossible(
            f"{name} cannot be learned from: {reason}",
            rows=len(label),
        )


def raw_frame(frame: pl.DataFrame, features: Sequence[Feature]) -> pd.DataFrame:
    """Return the features as pandas, with None for a null category, as MLflow users pass them."""
    return frame.select(feature.name for feature in features).to_pandas()


def encoder_of(pipeline: Pipeline) -> Encoder:
    """Create the Encoder that encodes as the fitted pipeline does."""
    return _read_encoder(pipeline.named_steps[ENCODE])


def _read_encoder(column_transformer: ColumnTransformer) -> Encoder:
    categories = {}
    for name, transformer, _ in column_transformer.transformers_:
        if name not in (NUMBERS, "remainder"):
            learned = _get_one_hot_encoder(transformer).categories_[0]
            categories[name] = tuple(_convert_category(value) for value in learned)
    features = tuple(column_transformer.feature_names_in_.tolist())
    return Encoder(features=features, categories=categories)


def _create_column_transformer(features: Sequence[Feature]) -> ColumnTransformer:
    """Create the unfitted first step of a pipeline."""
    from sklearn.compose import ColumnTransformer

    numbers = [feature.name for feature in features if not feature.column.categorical]
    transformers = [
        (feature.name, _create_category_transformer(feature), [feature.name])
        for feature in features
        if feature.column.categorical
    ]
    if numbers:
        transformers.append((NUMBERS, _create_float_transformer(), numbers))
    return ColumnTransformer(transformers, verbose_feature_names_out=False)


def _create_category_transformer(feature: Feature) -> Any:
    """Create the transformer of a categorical feature.

    Text is encoded directly. A bool or number becomes a float first, so that a column with a null
    has the same type as a column without one.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    if feature.column.type == "string":
        return one_hot
    return make_pipeline(_create_float_transformer(), one_hot)


def _create_float_transformer() -> Any:
    """Create the transformer that makes true 1 and null NaN.

    It uses numpy's own function, so that a user can load the model without streamflow.
    """
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(
        np.asarray,
        kw_args={"dtype": "float64"},
        feature_names_out="one-to-one",
    )


def _get_one_hot_encoder(transformer: Any) -> Any:
    """Return the one-hot encoder of a fitted transformer of a categorical feature."""
    return transformer.steps[-1][1] if hasattr(transformer, "steps") else transformer


def _convert_category(value: Any) -> Category:
    """Return a learned category as a plain value, and NaN as None."""
    if isinstance(value, str):
        return str(value)
    return None if value is None or isnan(value) else float(value)
