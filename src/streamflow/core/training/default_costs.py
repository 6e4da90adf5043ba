"""What it costs when a default replaces a value.

The hold-out is scored again with features blanked: their defaults replace the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streamflow.catalog import Feature
from streamflow.core.data.json_text import MALFORMED_JSON, parse_json, readable_json
from streamflow.core.statistics.metrics import Floats, Labels, auc
from streamflow.core.statistics.threshold import Threshold, flag_rows

if TYPE_CHECKING:
    import polars as pl

FILE = "default_costs.json"
# Metrics of a run are called default/OF/NAME: MLflow's page groups them by the slashes.
METRIC = "default"

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
    """How the hold-out is scored when the defaults of `features` are used on every row.

    Attributes:
        of: A feature; or "all of VIEW", where every feature of a view has a default: then the
            whole view is absent or too old.
        auc: AUC with the defaults. The same for `average_precision` and `brier`.
        auc_change: AUC with the defaults minus AUC with all values. The same for the other
            fields that end in `_change`.
        flips: The share of rows whose decision is different.
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
        """Return the numbers as metrics of a run."""
        return {f"{METRIC}/{self.of}/{name}": getattr(self, name) for name in NUMBERS}

    def __str__(self) -> str:
        """Return the cost as one sentence."""
        return (
            f"If the default replaced {self.of} for every user, AUC would be {self.auc:.4f}"
            f" ({self.auc_change:+.4f}), and {self.flips:.2%} of the decisions would be different."
        )


def measure_default_costs(
    features: Sequence[Feature],
    holdout: pl.DataFrame,
    label: Labels,
    predict: Callable[[pl.DataFrame], Floats],
    *,
    threshold: Threshold,
) -> tuple[DefaultCost, ...]:
    """Measure the cost of each declared default, and of each view that defaults can replace.

    Args:
        features: The features of the model.
        holdout: The hold-out rows, (n, features).
        label: What happened, (n,).
        predict: Returns the calibrated probability of each row of a frame.
        threshold: From this probability on the decision is 1; None: it never is.

    Returns:
        Empty when no feature declares a default.
    """
    import polars as pl

    groups = group_defaults(features)
    if not groups:
        return ()
    full_probability = predict(holdout)
    full_scores = _scores(label, full_probability)
    costs = []
    for name, defaults in groups.items():
        columns = [
            pl.lit(value, dtype=holdout.schema[feature]).alias(feature)
            for feature, value in defaults.items()
        ]
        probability = predict(holdout.with_columns(columns))
        scores = _scores(label, probability)
        is_flipped = flag_rows(full_probability, threshold) != flag_rows(probability, threshold)
        flips = float(np.mean(is_flipped))
        costs.append(_cost(name, defaults, full_scores, scores, flips))
    return tuple(costs)


def group_defaults(features: Sequence[Feature]) -> dict[str, dict[str, Any]]:
    """Group the defaults that are used together: each feature alone, then whole views.

    A view is a group when it has more than one feature and all of them have a default.

    Returns:
        Name of the group -> feature -> its default.
    """
    defaults: dict[str, Any] = {}
    names_by_view: dict[str, list[str]] = {}
    for feature in features:
        name = feature.name
        default = feature.column.default
        view_names = names_by_view.setdefault(feature.view, [])
        view_names.append(name)
        if default is not None:
            defaults[name] = default
    groups = {name: {name: default} for name, default in defaults.items()}
    for view, names in names_by_view.items():
        has_all_defaults = all(name in defaults for name in names)
        if len(names) > 1 and has_all_defaults:
            groups[f"all of {view}"] = {name: defaults[name] for name in names}
    return groups


def _cost(
    name: str,
    defaults: Mapping[str, Any],
    full_scores: Mapping[str, float],
    scores: Mapping[str, float],
    flips: float,
) -> DefaultCost:
    return DefaultCost(
        of=name,
        features=defaults,
        auc=scores["auc"],
        auc_change=scores["auc"] - full_scores["auc"],
        average_precision=scores["average_precision"],
        average_precision_change=scores["average_precision"] - full_scores["average_precision"],
        brier=scores["brier"],
        brier_change=scores["brier"] - full_scores["brier"],
        flips=flips,
    )


def _scores(label: Labels, probability: Floats) -> dict[str, float]:
    # The import takes 2 s. A module that needs only the class DefaultCost should not wait for it.
    from sklearn import metrics

    positive = np.asarray(label).astype(bool)
    return {
        "auc": auc(positive, probability),
        "average_precision": float(metrics.average_precision_score(positive, probability)),
        "brier": float(metrics.brier_score_loss(positive, probability)),
    }


def to_bytes(costs: Sequence[DefaultCost]) -> bytes:
    """Return the file of these costs. Equal costs give equal bytes."""
    values = [asdict(cost) for cost in costs]
    return readable_json(values)


def parse_costs(content: bytes) -> dict[str, dict[str, float]]:
    """Read the numbers of each cost from the file of a version. Raises ValueError.

    Returns:
        Feature or "all of VIEW" -> name of the number -> value.

    >>> parse_costs(to_bytes(()))
    {}
    """
    try:
        return {cost["of"]: {name: cost[name] for name in NUMBERS} for cost in parse_json(content)}
    except MALFORMED_JSON as exc:
        raise ValueError(f"{exc!r} is missing, or its value has the wrong type") from exc


def costs_from_metrics(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Read the costs of defaults from the metrics of a run.

    Other programs may write metrics too: a group that does not have all NUMBERS is left out.

    Returns:
        Feature or "all of VIEW" -> name of the number -> value.

    >>> metrics = {f"default/skips_7d/{name}": 0.1 for name in NUMBERS}
    >>> incomplete = {"auc": 0.8, "default/skips_7d": 1.0, "default/watch_hours_30d/auc": 0.7}
    >>> list(costs_from_metrics(incomplete | metrics))
    ['skips_7d']
    """
    prefix = f"{METRIC}/"
    groups: dict[str, dict[str, float]] = {}
    for name, value in sorted(metrics.items()):
        if name.startswith(prefix):
            group, _, number = name.removeprefix(prefix).rpartition("/")
            groups.setdefault(group, {})[number] = value
    return {group: values for group, values in groups.items() if values.keys() == set(NUMBERS)}
