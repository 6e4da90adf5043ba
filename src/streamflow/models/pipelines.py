"""The kinds of models: one-hot encoded categories, numbers as they are, and an estimator behind them.

What is fitted and saved is a scikit-learn pipeline of stock parts that takes a pandas frame with the raw features, so
that every MLflow user can load it. `encoder_of` reads from it the Encoder that we serve with; both give the same matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import Feature
from streamflow.errors import TrainingImpossible
from streamflow.models.encoder import Category, Encoder

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

NUMBERS = "numbers"
ENCODE, FOREST, BOOSTING, LOGISTIC = "encode", "forest", "boosting", "logistic"
KINDS = (
    "logistic",
    "baseline",
    "boosting",
)  # the simplest first: it is taken where another is not better
FIT_JOBS = (
    2  # threads while fitting a forest: they share the trees out and change no bit of them (tested)
)
WORTHWHILE = 50_000  # rows times trees from which on threads are faster: for less they are waited for longer than they work


def fit_model(
    kind: str,
    frame: pl.DataFrame,
    label: NDArray[Any],
    *,
    features: Sequence[Feature],
    trees: int,
    seed: int,
) -> Pipeline:
    """Fit a model of `kind` on `frame` (n, features) and `label` (n,), rows in the order of their keys: it decides the samples.

    trees   of the baseline forest

    Raises TrainingImpossible when there are no rows, or rows of one class only.
    """
    from threadpoolctl import threadpool_limits

    require_both_classes(label)
    pipeline = _unfitted(kind, features, trees=trees, seed=seed)
    if kind == "baseline":
        pipeline.named_steps[FOREST].set_params(
            n_jobs=FIT_JOBS if len(frame) * trees >= WORTHWHILE else 1
        )
    with threadpool_limits(1):  # of BLAS and OpenMP: a sum in another order has other last bits
        pipeline.fit(raw_frame(frame, features), label.astype(np.int64))
    if (
        kind == "baseline"
    ):  # several threads add up the trees' answers in the order in which they finish (trap 11)
        pipeline.named_steps[FOREST].set_params(n_jobs=1)
    return pipeline


def require_both_classes(label: NDArray[Any]) -> None:
    """Raise TrainingImpossible when the rows to learn from are none, or of one class only."""
    classes = np.unique(label)
    if len(classes) < 2:
        holds = f"all {len(label)} labels are {classes[0]}" if len(classes) else "there are no rows"
        raise TrainingImpossible(
            f"the training side of the split cannot be learned from: {holds}", rows=len(label)
        )


def raw_frame(frame: pl.DataFrame, features: Sequence[Feature]) -> pd.DataFrame:
    """The features as stock users of the model pass them: pandas, None for a null category."""
    return frame.select(f.name for f in features).to_pandas()


def encoder_of(pipeline: Pipeline) -> Encoder:
    """The Encoder with what the pipeline has learned."""
    columns = pipeline.named_steps[ENCODE]
    categories = {
        name: tuple(_category(c) for c in _one_hot(transformer).categories_[0])
        for name, transformer, _ in columns.transformers_
        if name not in (NUMBERS, "remainder")
    }
    return Encoder(features=tuple(columns.feature_names_in_.tolist()), categories=categories)


def _unfitted(kind: str, features: Sequence[Feature], *, trees: int, seed: int) -> Pipeline:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    numbers = [f.name for f in features if not f.column.categorical]
    transformers = [
        (f.name, _category_transformer(f), [f.name]) for f in features if f.column.categorical
    ]
    if numbers:
        transformers.append((NUMBERS, _as_float(), numbers))
    encode = (ENCODE, ColumnTransformer(transformers, verbose_feature_names_out=False))
    return Pipeline([encode, *_estimator(kind, trees=trees, seed=seed)])


def _estimator(kind: str, *, trees: int, seed: int) -> list[tuple[str, Any]]:
    """The steps behind the encoder. Boosting grows small trees slowly, as suits some thousand rows: our convention."""
    if kind == "baseline":
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            n_estimators=trees, class_weight="balanced", max_features="sqrt", random_state=seed
        )
        return [(FOREST, forest)]
    if kind == "boosting":
        from sklearn.ensemble import HistGradientBoostingClassifier

        boosting = HistGradientBoostingClassifier(
            learning_rate=0.05, max_iter=150, max_leaf_nodes=15, min_samples_leaf=40, l2_regularization=1.0,
            early_stopping=False, random_state=seed,
        )  # fmt: skip
        return [(BOOSTING, boosting)]
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(max_iter=1000, random_state=seed)
    return [
        ("impute", SimpleImputer(keep_empty_features=True)),
        ("scale", StandardScaler()),
        (LOGISTIC, regression),
    ]


def _category_transformer(feature: Feature) -> Any:
    """Text goes in as it is; a bool or number as a float, so that a column without a null is no other type than one with."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return one_hot if feature.column.type == "string" else make_pipeline(_as_float(), one_hot)


def _as_float() -> Any:
    """Make true 1 and null NaN; by numpy's own function, so that loading the model needs nothing of ours."""
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(
        np.asarray, kw_args={"dtype": "float64"}, feature_names_out="one-to-one"
    )


def _one_hot(transformer: Any) -> Any:
    return transformer.steps[-1][1] if hasattr(transformer, "steps") else transformer


def _category(value: Any) -> Category:
    """A learned category as a plain value; NaN is the null."""
    if isinstance(value, str):
        return str(value)
    return None if value is None or isnan(value) else float(value)
