"""What it costs that a default stands in for a value: the hold-out scored again with features blanked to their defaults."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import Feature
from streamflow.core.statistics.metrics import Floats, Labels, auc

FILE = "default_costs.json"
METRIC = "default"  # metrics of a run are called default/OF/NAME: MLflow's page groups them by it

NUMBERS = (
    "auc",
    "auc_change",
    "average_precision",
    "average_precision_change",
    "brier",
    "brier_change",
    "flips",
)


@dataclass(frozen=True, kw_only=True)
class DefaultCost:
    """The hold-out when the defaults of `features` stand in on every row.

    of                a feature, or "all of VIEW" where every feature of a view has a default: it is absent or too old as a whole
    auc, average_precision, brier     with the defaults; `*_change` is that less what it is with all values
    flips             share of the rows whose decision is another
    """

    of: str
    features: Mapping[str, bool | int | float | str]
    auc: float
    auc_change: float
    average_precision: float
    average_precision_change: float
    brier: float
    brier_change: float
    flips: float

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers as metrics of a run."""
        return {f"{METRIC}/{self.of}/{name}": getattr(self, name) for name in NUMBERS}

    def __str__(self) -> str:
        """One sentence."""
        return (
            f"With the default in the place of {self.of} for everybody AUC would be {self.auc:.4f} ({self.auc_change:+.4f}),"
            f" and {self.flips:.2%} of the decisions others."
        )


def default_costs(
    features: Sequence[Feature],
    held: pl.DataFrame,
    label: Labels,
    answer: Callable[[pl.DataFrame], Floats],
    *,
    threshold: float,
) -> tuple[DefaultCost, ...]:
    """The cost of each default that is declared, and of each view that can be replaced as a whole; none declared, none found.

    held     (n, features)  the hold-out        label  (n,)
    answer   the calibrated probability of each row of a frame; from `threshold` on the decision is 1
    """
    blanked = blanked_together(features)
    if not blanked:
        return ()
    before = answer(held)
    costs = []
    for of, defaults in blanked.items():
        columns = [
            pl.lit(value, dtype=held.schema[name]).alias(name) for name, value in defaults.items()
        ]
        costs.append(
            _cost(of, defaults, label, before, answer(held.with_columns(columns)), threshold)
        )
    return tuple(costs)


def blanked_together(features: Sequence[Feature]) -> dict[str, dict[str, Any]]:
    """What is blanked at once -> feature -> its default: each feature alone, then whole views of more than one."""
    defaults = {f.name: f.column.default for f in features if f.column.default is not None}
    views = {f.view: [g.name for g in features if g.view == f.view] for f in features}
    whole = {
        f"all of {view}": names
        for view, names in views.items()
        if len(names) > 1 and all(n in defaults for n in names)
    }
    return {name: {name: value} for name, value in defaults.items()} | {
        view: {name: defaults[name] for name in names} for view, names in whole.items()
    }


def _cost(
    of: str,
    defaults: Mapping[str, Any],
    label: Labels,
    before: Floats,
    after: Floats,
    threshold: float,
) -> DefaultCost:
    was, now = _scores(label, before), _scores(label, after)
    return DefaultCost(
        of=of,
        features=defaults,
        auc=now["auc"],
        auc_change=now["auc"] - was["auc"],
        average_precision=now["average_precision"],
        average_precision_change=now["average_precision"] - was["average_precision"],
        brier=now["brier"],
        brier_change=now["brier"] - was["brier"],
        flips=float(np.mean(_decisions(before, threshold) != _decisions(after, threshold))),
    )


def _decisions(probability: Floats, threshold: float) -> NDArray[np.bool_]:
    return probability >= threshold


def _scores(label: Labels, probability: Floats) -> dict[str, float]:
    from sklearn import (
        metrics as scores,
    )  # 2 s to import: not for whoever only names the class DefaultCost

    positive = np.asarray(label).astype(bool)
    return {
        "auc": auc(positive, probability),
        "average_precision": float(scores.average_precision_score(positive, probability)),
        "brier": float(scores.brier_score_loss(positive, probability)),
    }


def content(costs: Sequence[DefaultCost]) -> bytes:
    """The file: the same bytes for the same costs."""
    return (
        json.dumps([asdict(cost) for cost in costs], indent=1, sort_keys=True, ensure_ascii=False)
        + "\n"
    ).encode()


def of_metrics(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """What the metrics of a run say of defaults: of -> name -> value. Others may write metrics too: what is not whole is none.

    >>> named = {f"default/skips_7d/{name}": 0.1 for name in NUMBERS}
    >>> list(of_metrics({"auc": 0.8, "default/skips_7d": 1.0, "default/watch_hours_30d/auc": 0.7, **named}))
    ['skips_7d']
    """
    named = [
        (name.removeprefix(f"{METRIC}/"), value)
        for name, value in metrics.items()
        if name.startswith(f"{METRIC}/")
    ]
    found: dict[str, dict[str, float]] = {}
    for name, value in sorted(named):
        of, _, number = name.rpartition("/")
        found.setdefault(of, {})[number] = value
    return {of: numbers for of, numbers in found.items() if numbers.keys() == set(NUMBERS)}
