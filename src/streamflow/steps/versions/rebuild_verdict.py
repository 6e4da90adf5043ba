"""The verdict on a rebuilt version: how its result differs from the recorded result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamflow.core.statistics.threshold import NOBODY, parse_threshold
from streamflow.core.training import holdout_probabilities
from streamflow.core.training.decision import Decision
from streamflow.core.versions.passport import pair_months
from streamflow.core.versions.version_files import DECISION
from streamflow.platform import Platform
from streamflow.steps.training.fit import Fitted
from streamflow.steps.versions.rebuilt_training_set import compare_row_counts
from streamflow.steps.versions.recorded_artifacts import read_probabilities
from streamflow.steps.versions.registered_version import RecordedVersion

IDENTICAL = "identical"
WITHIN = "within the declared tolerance"
DIFFERS = "differs"
#: Something changed the result that no level records.
UNEXPLAINED = "differs although no level drifted"


@dataclass(frozen=True, kw_only=True)
class RebuildVerdict:
    """The verdict on the result of a rebuild.

    result              IDENTICAL, WITHIN or DIFFERS
    differences         one sentence per difference; the first is nearest to the cause
    largest_difference  of the hold-out's probabilities; None when they cannot be compared
    """

    result: str
    differences: tuple[str, ...]
    largest_difference: float | None


def judge_rebuild(
    platform: Platform,
    record: RecordedVersion,
    rebuilt: Mapping[str, Any],
    fitted: Fitted,
) -> RebuildVerdict:
    """Compare the result of a rebuild with the recorded result.

    A difference can be within the declared tolerance only if the model was trained on the same
    rows as the recorded model.

    Args:
        platform: with the recorded settings, among them the tolerance
        rebuilt: the result of the rebuild, in the shape of the passport's `result`
        fitted: the rebuilt model with its probabilities for the hold-out
    """
    recorded = record.passport.result
    rebuilt = store_as_recorded(recorded, rebuilt, fitted.decision)
    row_differences = _describe_row_differences(recorded, rebuilt)
    model_differences = _describe_model_differences(recorded, rebuilt)
    differences = (*row_differences, *model_differences)
    if not differences:
        return RebuildVerdict(result=IDENTICAL, differences=(), largest_difference=0.0)
    probabilities = read_probabilities(platform, record)
    largest = None
    if probabilities is not None:
        largest = holdout_probabilities.largest_difference(probabilities, fitted.probability)
    tolerance = platform.settings.reproduce_tolerance
    is_within = not row_differences and largest is not None and largest <= tolerance
    return RebuildVerdict(
        result=WITHIN if is_within else DIFFERS,
        differences=differences,
        largest_difference=largest,
    )


def store_as_recorded(
    recorded: Mapping[str, Any],
    rebuilt: Mapping[str, Any],
    decision: Decision,
) -> Mapping[str, Any]:
    """Return the result of a rebuild with a threshold that flags nobody in the recorded form.

    Earlier releases stored a number above 1. It means the same as today's word.

    Args:
        recorded: the result in the passport
        rebuilt: the result of the rebuild
        decision: the decision of the rebuild
    """
    stored = recorded["decision"]["threshold"]
    flags_nobody = decision.threshold is None and parse_threshold(stored) is None
    if stored == NOBODY or not flags_nobody:
        return rebuilt
    return {
        **rebuilt,
        "decision": {"digest": DECISION.digest(decision.content_with(stored)), "threshold": stored},
        "metrics": {**rebuilt["metrics"], "threshold": stored},
    }


def name_result(result: str, *, is_drifted: bool) -> str:
    """Return the result, or UNEXPLAINED when it differs and no level says why.

    Args:
        result: IDENTICAL, WITHIN, DIFFERS or UNEXPLAINED
        is_drifted: whether at least one level drifted
    """
    if result not in (DIFFERS, UNEXPLAINED):
        return result
    return DIFFERS if is_drifted else UNEXPLAINED


def _describe_row_differences(recorded: Mapping[str, Any], rebuilt: Mapping[str, Any]) -> list[str]:
    """Describe how the training set and its split differ from the recorded ones."""
    sentences = []
    months = pair_months(recorded["training_set"], rebuilt["training_set"])
    for month, recorded_month, rebuilt_month in months:
        name = f"training set of {month}" if month else "training set"
        if recorded_month is None or rebuilt_month is None:
            state = "was not recorded" if recorded_month is None else "is missing"
            sentences.append(f"the {name} {state}")
        else:
            sentences += _describe_set_differences(name, recorded_month, rebuilt_month)
    if recorded["training_set"]["digest"] != rebuilt["training_set"]["digest"] and not sentences:
        sentences.append("the dates of the months differ from the recorded dates")
    if recorded["training_keys"] != rebuilt["training_keys"]:
        sentences.append("the keys of the training side differ from the recorded keys")
    if recorded["holdout_keys"] != rebuilt["holdout_keys"]:
        sentences.append("the keys of the hold-out differ from the recorded keys")
    return sentences


def _describe_set_differences(
    set_name: str, recorded: Mapping[str, Any], rebuilt: Mapping[str, Any]
) -> list[str]:
    """Describe how the training set of one month differs from the recorded one."""
    sentences = []
    if recorded["rows"] != rebuilt["rows"]:
        sentences.append(compare_row_counts(f"the {set_name}", rebuilt["rows"], recorded["rows"]))
    recorded_columns = recorded["columns"]
    rebuilt_columns = rebuilt["columns"]
    sentences += [
        f"the {set_name}'s column {name} differs from the recorded column"
        for name in {**recorded_columns, **rebuilt_columns}
        if recorded_columns.get(name) != rebuilt_columns.get(name)
    ]
    if recorded["digest"] != rebuilt["digest"] and not sentences:
        sentences.append(f"the keys of the {set_name} differ from the recorded keys")
    return sentences


def _describe_model_differences(
    recorded: Mapping[str, Any],
    rebuilt: Mapping[str, Any],
) -> list[str]:
    """Describe how the model, its predictions and its metrics differ from the recorded ones."""
    sentences = []
    if recorded["model"]["content"] != rebuilt["model"]["content"]:
        sentences.append("the content of the model differs from the recorded model")
    if recorded["model_kind"] != rebuilt["model_kind"]:
        sentences.append(
            f"the kind of the model is {rebuilt['model_kind']},"
            f" the recorded kind is {recorded['model_kind']}"
        )
    elif recorded["candidates"] != rebuilt["candidates"]:
        sentences.append(
            "the cross-validated AUCs of the kinds of models differ from the recorded AUCs"
        )
    if recorded["decision"] != rebuilt["decision"]:
        sentences.append("the calibrator or the threshold differs from the recorded one")
    if recorded["predictions"] != rebuilt["predictions"]:
        sentences.append("the predictions of the hold-out differ from the recorded predictions")
    # A passport of schema 3 has no digest of the background.
    if "background" in recorded and recorded["background"] != rebuilt["background"]:
        sentences.append("the summary of the training side differs from the recorded summary")
    sentences += _describe_metric_differences(recorded, rebuilt)
    return sentences


def _describe_metric_differences(
    recorded: Mapping[str, Any],
    rebuilt: Mapping[str, Any],
) -> list[str]:
    """Describe how the metrics, also those with default values, differ from the recorded ones."""
    sentences = []
    recorded_metrics = recorded["metrics"]
    for name, value in rebuilt["metrics"].items():
        recorded_value = recorded_metrics.get(name)
        if _to_text(value) != _to_text(recorded_value):
            sentences.append(f"the metric {name} is {value!r}, recorded was {recorded_value!r}")
    # The metrics of a model of the months before, compared in the same way.
    if _to_text(recorded.get("forward")) != _to_text(rebuilt.get("forward")):
        sentences.append("the metrics forward in time differ from the recorded metrics")
    if recorded.get("default_costs") != rebuilt.get("default_costs"):
        sentences.append(
            "the metrics with the catalog's default values differ from the recorded metrics"
        )
    return sentences


def _to_text(value: object) -> str:
    """Return a value as JSON, as the passport stores it: so NaN is equal to NaN."""
    return json.dumps(value, sort_keys=True)
