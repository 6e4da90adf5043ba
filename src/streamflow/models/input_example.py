"""Make the example of an input that MLflow shows of a model. It is no row of a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamflow.catalog import Feature
from streamflow.core.data.json_text import readable_json
from streamflow.core.training.background import Background, FeatureSummary
from streamflow.core.versions.version_files import INPUT_EXAMPLE, SERVING_EXAMPLE

Value = bool | int | float | str | None


def write_example(features: Sequence[Feature], background: Background) -> dict[str, bytes]:
    """Return the files of the example, by name.

    The example has the most frequent category and the mean of each feature. So it can be shown to
    everybody who may use the model.

    Args:
        features: as the catalog declares them.
        background: the summary of the rows that the version learned from.
    """
    values = [_choose_value(feature, background.features[feature.name]) for feature in features]
    frame: dict[str, Any] = {"columns": [feature.name for feature in features], "data": [values]}
    return {
        INPUT_EXAMPLE.name: readable_json(frame),
        SERVING_EXAMPLE.name: readable_json({"dataframe_split": frame}),
    }


def _choose_value(feature: Feature, summary: FeatureSummary) -> Value:
    """Return a usual value of a feature, in its own type. None if no row had a value."""
    if summary.shares:
        frequent = max(summary.shares, key=lambda name: summary.shares[name])
        if feature.column.type == "string":
            return frequent
        return _convert(float(frequent), feature.column.type)
    if summary.mean is None:
        return None
    return _convert(summary.mean, feature.column.type)


def _convert(number: float, column_type: str) -> Value:
    """Return a number as a value of a type.

    >>> _convert(0.6, "bool"), _convert(2.6, "int"), _convert(29.8512, "float")
    (True, 3, 29.85)
    """
    if column_type == "bool":
        return number >= 0.5
    return round(number) if column_type == "int" else round(number, 2)
