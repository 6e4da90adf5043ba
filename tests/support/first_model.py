"""The first model of a stranger's data beside three models that everybody tries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import Catalog, parse_catalog
from streamflow.core.statistics.metrics import auc
from streamflow.models.compiled_model import compile_model
from streamflow.models.model_selection import REPEATS, choose_kind
from streamflow.models.pipelines import encoder_of
from streamflow.models.stacked_frame import StackedFrame
from streamflow.models.training_rows import TrainingRows

FOLDS = 5
SALT = "streamflow"
Labels = NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class PublicSet:
    """Features (n, features) and labels (n,) of one data set, without any preparation."""

    name: str
    frame: pl.DataFrame
    label: Labels

    @property
    def catalog(self) -> Catalog:
        """What `init` declares of such columns: numbers, bools, and texts as categories."""
        columns = "\n".join(map(_declare, self.frame.iter_columns()))
        return parse_catalog(
            f"""
model = "public"
[entity]
name = "user"
key = "user_id"
table = "facts"
[label]
table = "labels"
column = "churned"
[views.facts_fv]
table = "facts"
[tables.facts.columns]
{columns}
[tables.labels.columns]
churned = {{ type = "bool" }}
""",
            origin=self.name,
        )


def _declare(column: pl.Series) -> str:
    types = {pl.String: ("string", "categorical = true, "), pl.Boolean: ("bool", "")}
    kind, category = types.get(
        type(column.dtype), ("int" if column.dtype.is_integer() else "float", "")
    )
    return f'{column.name} = {{ type = "{kind}", nullable = true, {category}view = "facts_fv" }}'


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The AUC of `auto` and of each rival over the same outer folds, and what `auto` chose."""

    name: str
    ours: float
    rivals: dict[str, float]
    kinds: tuple[str, ...]

    @property
    def behind(self) -> float:
        """How far `auto` is behind the best rival; negative where it is ahead."""
        return max(self.rivals.values()) - self.ours

    def __str__(self) -> str:
        """Return a line of the table."""
        rivals = "  ".join(f"{name} {value:.4f}" for name, value in self.rivals.items())
        chosen = ", ".join(sorted(set(self.kinds)))
        return f"{self.name:22} auto {self.ours:.4f}  {rivals}  behind {self.behind:+.4f}  {chosen}"


def measure(
    public: PublicSet, *, trees: int, folds: int = FOLDS, repeats: int = REPEATS
) -> Measurement:
    """Predict each fold by `auto` and by the rivals, which learned from the other folds."""
    fold = np.random.default_rng(0).permutation(len(public.label)) % FOLDS
    answers: dict[str, list[NDArray[np.float64]]] = {}
    labels, kinds = [], []
    for number in range(folds):
        held = fold == number
        kind, probability = _predict_by_auto(public, held, trees, repeats)
        answers.setdefault("auto", []).append(probability)
        kinds.append(kind)
        labels.append(public.label[held])
        for name, rival in predict_by_rivals(public, held, trees):
            answers.setdefault(name, []).append(rival)
    # The mean over the folds: scores of different models are not compared with each other.
    scores = {
        name: float(np.mean([auc(y, p) for y, p in zip(labels, parts, strict=True)]))
        for name, parts in answers.items()
    }
    ours = scores.pop("auto")
    return Measurement(name=public.name, ours=ours, rivals=scores, kinds=tuple(kinds))


def _predict_by_auto(
    public: PublicSet, held: NDArray[np.bool_], trees: int, repeats: int
) -> tuple[str, NDArray[np.float64]]:
    rows = TrainingRows(
        keys=pl.Series([f"user {number}" for number in np.flatnonzero(~held)]),
        frame=StackedFrame.from_frame(public.frame.filter(pl.Series(~held))),
        label=public.label[~held],
        features=public.catalog.features,
        trees=trees,
        seed=42,
    )
    chosen, _ = choose_kind(rows, salt=SALT, notify=lambda _: None, repeats=repeats)
    pipeline = rows.fit(chosen.kind, leaf_size=chosen.leaf_size)
    matrix = encoder_of(pipeline).encode_frame(public.frame.filter(pl.Series(held)))
    return chosen.kind, compile_model(pipeline)(matrix)


def predict_by_rivals(
    public: PublicSet, held: NDArray[np.bool_], trees: int
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """The rivals read columns as one-hot categories and numbers, by scikit-learn alone."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    rivals: dict[str, Any] = {
        "logistic": make_pipeline(
            SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000)
        ),
        "leaf-5 forest": RandomForestClassifier(trees, min_samples_leaf=5, random_state=1),
        "boosting": HistGradientBoostingClassifier(random_state=1),
    }
    matrix = public.frame.to_dummies(pl.selectors.string()).cast(pl.Float64).to_numpy()
    for name, rival in rivals.items():
        with threadpool_limits(1):
            rival.fit(matrix[~held], public.label[~held])
        yield name, rival.predict_proba(matrix[held])[:, 1]


def mass_point(rows: int, *, seed: int = 1, share: float = 0.2) -> PublicSet:
    """A number with a mass point at zero that leaves, rare categories, and a null that tells."""
    draw = np.random.default_rng(seed)
    spent = np.where(draw.random(rows) < 0.4, 0.0, draw.lognormal(3, 1, rows).round(2))
    months = draw.integers(0, 72, rows)
    place = draw.choice(np.array([f"place {n}" for n in range(40)]), rows, p=_falling(40))
    score = draw.normal(50, 10, rows).round(1)
    odds = 1.5 * (spent == 0) - 0.04 * months + 1.2 * (place == "place 5")
    tendency = odds + draw.logistic(size=rows)
    label = (tendency >= np.quantile(tendency, 1 - share)).astype(np.int8)
    told = pl.select(
        pl.when(pl.Series(draw.random(rows) < np.where(label, 0.7, 0.9))).then(pl.Series(score))
    ).to_series()
    frame = pl.DataFrame({"spent": spent, "months": months, "place": place, "score": told})
    return PublicSet(name=f"mass point, {label.mean():.1%}", frame=frame, label=label)


def _falling(count: int) -> NDArray[np.float64]:
    """Shares of categories that fall to a few rows in ten thousand."""
    weights = 1.0 / np.arange(1, count + 1) ** 2
    return weights / weights.sum()
