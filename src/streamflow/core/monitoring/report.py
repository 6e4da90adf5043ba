"""The monitoring report of a month: what drifted, and the verdict.

A report is a value. It is stored as JSON, and everything that is shown comes from that JSON alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from pydantic import TypeAdapter

from streamflow.core.data.counts import choose_form, count_of
from streamflow.core.data.json_text import canonical_json
from streamflow.core.monitoring.drift import FeatureDrift
from streamflow.core.monitoring.performance import (
    CONFIDENCE,
    ConceptDrift,
    LabelDrift,
    Performance,
)
from streamflow.core.statistics.metrics import HoldoutMetrics
from streamflow.core.statistics.old_metric_names import translate_old_metrics

# The version of the computation. When a report is computed differently, this number changes, and
# with it the digest of the evidence.
REPORT_VERSION = 2

FEATURES = "feature drift"
LABELS = "label drift"
CONCEPT = "concept drift"


@dataclass(frozen=True, kw_only=True)
class ReportEvidence:
    """Everything that a report is computed from. Equal evidence gives one report.

    Attributes:
        reference: Each revision of the reference in words, and its digest as it is recorded now.
        current: The same for the revisions of the drop.
        answers: Of the logged predictions: how many are of this version, the number of the newest
            one, how many are of different versions.
    """

    model: str
    version: int
    passport: str
    as_of: date
    reference: Mapping[str, str]
    current: Mapping[str, str]
    answers: tuple[int, int, int]
    drift_psi: float
    drift_false_discovery: float

    @property
    def digest(self) -> str:
        """Return the sha256 over all fields and the version of the report."""
        values = {
            "form": REPORT_VERSION,
            **vars(self),
            "as_of": self.as_of.isoformat(),
        }
        text = canonical_json(values, spaced=True)
        return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class AnswerOutcomes:
    """How correct the logged predictions were.

    For each key only the newest answer of this version and drop counts.

    Attributes:
        given: The logged answers.
        keys: The keys that they are about.
        labelled: The keys that have a label.
        unseen_labelled: Those of them that the version was not trained on.
        all: The metrics over all labelled keys. None when there are too few rows of a class.
        unseen: The metrics over the keys that the version was not trained on.
        others: The answers of different versions. They are not looked at.
    """

    given: int
    keys: int
    labelled: int
    unseen_labelled: int
    all: HoldoutMetrics | None
    unseen: HoldoutMetrics | None
    others: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is known about the drop of `as_of`, for the version in Production.

    Attributes:
        reference_as_of: The drop that the version was trained on.
        reference_rows: The rows of that drop.
        label_as_of: The drop that dates the labels. None when it does not exist yet.
        then: The performance on hold-out keys at training. None where there are too few labels.
        now: The performance on hold-out keys in the drop. None where there are too few labels.
        notes: What could not be looked at, and why.
    """

    evidence: ReportEvidence
    reference_as_of: date
    reference_rows: int
    rows: int
    label_lead: int
    label_as_of: date | None
    features: tuple[FeatureDrift, ...]
    labels: LabelDrift | None
    then: Performance | None
    now: Performance | None
    concept: ConceptDrift | None
    answers: AnswerOutcomes | None
    notes: tuple[str, ...]

    @property
    def drifted(self) -> tuple[FeatureDrift, ...]:
        """Return the features that have drifted."""
        return tuple(feature for feature in self.features if feature.drifted)

    @property
    def counts_in_words(self) -> str:
        """Return how many features drifted, and how many differ significantly without drift."""
        significant = [
            feature
            for feature in self.features
            if feature.distribution.p_adjusted <= self.evidence.drift_false_discovery
        ]
        small = sum(not feature.drifted for feature in significant)
        verb = choose_form(small, "differs", "differ")
        small_in_words = f", {small} more {verb} significantly, with a smaller PSI" if small else ""
        return (
            f"{len(self.drifted)} of {count_of(len(self.features), 'feature')} drifted"
            f" (PSI from {self.evidence.drift_psi:g} on){small_in_words}"
        )

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why the report fires, as sentences. Empty when it does not fire."""
        return tuple(reason for reasons in self._reasons.values() for reason in reasons)

    @property
    def numbers(self) -> dict[str, float]:
        """Return the numbers that are compared from month to month."""
        numbers = {
            "features_drifted": float(len(self.drifted)),
            "fires": float(self.fires),
        }
        for feature in self.features:
            numbers[f"psi_{feature.name}"] = feature.psi
        if self.labels:
            numbers["positive_share"] = self.labels.current
        if self.now:
            numbers["auc"] = self.now.metrics.auc
        if self.concept:
            numbers["auc_change"] = self.concept.difference
        return numbers

    @property
    def fires(self) -> bool:
        """Tell whether a person has to look at the report."""
        return bool(self.reasons)

    @property
    def verdict(self) -> str:
        """Return "ok", or the kinds of drift."""
        return ", ".join(kind for kind, reasons in self._reasons.items() if reasons) or "ok"

    @property
    def _reasons(self) -> dict[str, tuple[str, ...]]:
        """Return the kinds of drift with their reasons; those without a reason are empty."""
        concept: tuple[str, ...] = ()
        if self.concept and self.concept.fires:
            concept = (concept_in_words(self.concept),)
        labels: tuple[str, ...] = ()
        if self.labels and self.labels.fires:
            labels = (labels_in_words(self.labels),)
        features = tuple(reason for feature in self.features for reason in feature.reasons)
        return {CONCEPT: concept, LABELS: labels, FEATURES: features}


def concept_in_words(drift: ConceptDrift) -> str:
    """Return the change of AUC with its interval, as a phrase.

    >>> drift = ConceptDrift(reference=0.82, current=0.49, difference=-0.33, low=-0.4, high=-0.26)
    >>> concept_in_words(drift)
    'AUC on hold-out users 0.8200 -> 0.4900, change -0.3300 (99 % interval -0.4000..-0.2600)'
    """
    change = _change_in_words(drift.difference, drift.low, drift.high)
    return f"AUC on hold-out users {drift.reference:.4f} -> {drift.current:.4f}, {change}"


def labels_in_words(drift: LabelDrift) -> str:
    """Return the change of the share of positive labels with its interval, as a phrase."""
    change = _change_in_words(drift.difference, drift.low, drift.high)
    return f"share of positive labels {drift.reference:.4f} -> {drift.current:.4f}, {change}"


def _change_in_words(difference: float, low: float, high: float) -> str:
    return f"change {difference:+.4f} ({CONFIDENCE * 100:g} % interval {low:+.4f}..{high:+.4f})"


_REPORT = TypeAdapter(Report)


def to_values(report: Report) -> dict[str, Any]:
    """Return a report as plain values, as it is stored."""
    values: dict[str, Any] = _REPORT.dump_python(report, mode="json")
    return values


def from_values(values: Mapping[str, Any]) -> Report:
    """Read a report from its stored values: `from_values(to_values(report)) == report`.

    A report that was stored before metrics got their names of today is read too.
    """
    return _REPORT.validate_python(_translate_metrics(values))


def _translate_metrics(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored values with today's names of all metrics."""
    translated = dict(values)
    for name in ("then", "now"):
        if performance := values[name]:
            metrics = translate_old_metrics(performance["metrics"])
            translated[name] = {**performance, "metrics": metrics}
    if answers := values["answers"]:
        scores = {
            name: translate_old_metrics(answers[name])
            for name in ("all", "unseen")
            if answers[name]
        }
        translated["answers"] = {**answers, **scores}
    return translated
