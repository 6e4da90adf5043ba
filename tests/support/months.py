"""Months as arrays: what a report computes, without a database, beside the reference's trigger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from streamflow.catalog import load_catalog
from streamflow.core.monitoring.drift import FeatureDrift, compare_features
from streamflow.core.monitoring.performance import (
    ConceptDrift,
    LabelDrift,
    compare_labels,
    compare_performance,
    measure_performance,
)
from streamflow.core.training.split import is_holdout
from streamflow.simulation.drops import simulate_months

CATALOG = load_catalog(None)
KEY, LABEL = CATALOG.entity.key, CATALOG.label.column
FEATURES = [f.name for f in CATALOG.features]
CATEGORICAL = {f.name for f in CATALOG.features if f.column.categorical}


@dataclass(frozen=True)
class Population:
    """One month: key, features and label of each user, (n, 16)."""

    rows: pl.DataFrame

    @property
    def label(self) -> NDArray[np.int8]:
        return self.rows[LABEL].cast(pl.Int8).to_numpy()

    def with_rows(self, **columns: pl.Expr | pl.Series) -> Population:
        """The same with other columns."""
        return replace(self, rows=self.rows.with_columns(**columns))


def population(users: int, seed: int) -> Population:
    """A month of a business of its own, with the churn mechanism that all of them share."""
    month = next(simulate_months(users, 1, seed, date(2024, 1, 31)))
    rows = reduce(
        lambda left, right: left.join(right, on=KEY, maintain_order="left"), month.tables.values()
    )
    return Population(rows.select(KEY, *FEATURES, LABEL))


def probability(trained_on: Population, asked: Population) -> NDArray[np.float64]:
    """A logistic regression of the training side of one month predicts a second month."""
    from sklearn.linear_model import LogisticRegression

    train = ~holdout(trained_on)
    numbers = _numbers(trained_on)
    centre, spread = numbers.mean(axis=0), np.maximum(numbers.std(axis=0), 1e-9)
    model = LogisticRegression(max_iter=1000).fit(
        ((numbers - centre) / spread)[train], trained_on.label[train]
    )
    return np.asarray(model.predict_proba((_numbers(asked) - centre) / spread)[:, 1])


def _numbers(month: Population) -> NDArray[np.float64]:
    rows = month.rows.with_columns(
        fiber=pl.col("net_service") == "Fiber optic", none=pl.col("net_service") == "No"
    )
    return rows.select(
        pl.col(*(f for f in FEATURES if f != "net_service"), "fiber", "none")
        .cast(pl.Float64)
        .fill_null(0.0)
    ).to_numpy()


def holdout(month: Population) -> NDArray[np.bool_]:
    """The hold-out side of a month."""
    return holdout_of(month.rows[KEY])


def holdout_of(keys: pl.Series) -> NDArray[np.bool_]:
    """The hold-out side of keys by the default settings."""
    return is_holdout(keys, salt="streamflow", share=0.25)


@dataclass(frozen=True)
class Found:
    """What a report finds between two months."""

    features: tuple[FeatureDrift, ...]
    labels: LabelDrift
    concept: ConceptDrift | None

    @property
    def drifted(self) -> list[str]:
        return [f.name for f in self.features if f.drifted]

    @property
    def fires(self) -> bool:
        return bool(self.drifted) or self.labels.fires or bool(self.concept and self.concept.fires)


def found(reference: Population, current: Population) -> Found:
    """What `monitor` computes of two months, by the same functions, with a fast model."""
    sides = []
    for month in (reference, current):
        side = holdout(month)
        p = probability(reference, month)
        sides.append(
            measure_performance(month.label[side], p[side], threshold=0.5, seed=1, draws=50)
        )
    before, now = sides
    return Found(
        features=compare_features(
            reference.rows.select(FEATURES),
            current.rows.select(FEATURES),
            categorical=CATEGORICAL,
            drift_psi=0.1,
            false_discovery=0.05,
        ),
        labels=compare_labels(reference.label, current.label),
        concept=compare_performance(before, now) if before and now else None,
    )


def reference_system_fires(reference: Population, current: Population) -> bool:
    """The trigger of the reference: the share of drifted columns is at least 0.02.

    Key and label count as columns.

    Its library uses these tests at their defaults: for numbers Kolmogorov-Smirnov (up to 1,000
    rows) or
    Wasserstein's distance over the
    standard deviation, for categories chi-square or Jensen-Shannon's distance. A column has drifted
    when
    p < 0.05 or the distance is at least 0.1.
    """
    drifted = [
        _column_drifted(reference.rows[name], current.rows[name])
        for name in (KEY, *FEATURES, LABEL)
    ]
    return sum(drifted) / len(drifted) >= 0.02


def _column_drifted(reference: pl.Series, current: pl.Series) -> bool:
    there, now = reference.drop_nulls(), current.drop_nulls()
    if reference.dtype.is_numeric() and there.n_unique() > 5:
        a, b = there.to_numpy(), now.to_numpy()
        if len(reference) <= 1000:
            return bool(stats.ks_2samp(a, b).pvalue < 0.05)
        return bool(stats.wasserstein_distance(a, b) / max(float(np.std(a)), 0.001) >= 0.1)
    counts = [s.cast(pl.String).alias("v").value_counts(name="n") for s in (there, now)]
    both = (
        counts[0]
        .join(counts[1], on="v", how="full", coalesce=True)
        .fill_null(0)
        .drop("v")
        .to_numpy()
        .astype(float)
    )
    if len(reference) <= 1000:
        return bool(stats.chi2_contingency(both + 1e-9, correction=False).pvalue < 0.05)
    from scipy.spatial.distance import jensenshannon

    return bool(jensenshannon(both[:, 0], both[:, 1], base=2) >= 0.1)


def shuffled_labels(month: Population) -> Population:
    """The labels dealt out anew: as many, and no feature tells them."""
    return month.with_rows(**{LABEL: pl.col(LABEL).shuffle(seed=7)})


def fewer_labels(month: Population) -> Population:
    """A third of the churners stays, whatever their features."""
    stays = pl.int_range(pl.len()).shuffle(seed=3) % 3 == 0
    return month.with_rows(**{LABEL: pl.col(LABEL) & ~stays})


PLANTED: dict[str, Callable[[Population], Population]] = {
    "a number shifted": lambda m: m.with_rows(watch_hours_30d=pl.col("watch_hours_30d") + 4),
    "a count shifted": lambda m: m.with_rows(rebuffer_events_7d=pl.col("rebuffer_events_7d") + 1),
    "a truth value turned": lambda m: m.with_rows(
        paperless_billing=pl.col("paperless_billing").shuffle(seed=1)
        & (pl.int_range(pl.len()) % 3 > 0)
    ),
    "values missing": lambda m: m.with_rows(
        plan_stream_tv=pl.when(pl.int_range(pl.len()) % 10 > 0).then("plan_stream_tv")
    ),
    "a category never seen": lambda m: m.with_rows(
        net_service=pl.when(pl.int_range(pl.len()) % 40 == 0)
        .then(pl.lit("Satellite"))
        .otherwise("net_service")
    ),
    "labels": fewer_labels,
    "concept": shuffled_labels,
}
EXPECTED = {
    "a number shifted": ["watch_hours_30d"],
    "a count shifted": ["rebuffer_events_7d"],
    "a truth value turned": ["paperless_billing"],
    "values missing": ["plan_stream_tv"],
    "a category never seen": ["net_service"],
    "labels": [],
    "concept": [],
}
