"""The names that some metrics had until passports of schema 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamflow.core.statistics.metrics import share_of

NEW_NAMES = {
    "rows": "holdout_rows",
    "found": "true_positives",
    "flagged": "predicted_positives",
}


def translate_old_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored metrics under today's names.

    Records with the old names have no precision and no recall: both are computed here.
    Metrics without the old names are returned as they are.

    >>> old = {"auc": 0.8, "rows": 10, "positives": 4, "found": 1, "flagged": 2}
    >>> translate_old_metrics(old)["precision"], translate_old_metrics(old)["recall"]
    (0.5, 0.25)
    """
    if not NEW_NAMES.keys() <= metrics.keys():
        return dict(metrics)
    translated = {NEW_NAMES.get(name, name): value for name, value in metrics.items()}
    true_positives = translated["true_positives"]
    translated["precision"] = share_of(true_positives, translated["predicted_positives"])
    translated["recall"] = share_of(true_positives, translated["positives"])
    return translated
