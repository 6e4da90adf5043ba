"""The report of a month: what drifted, and the verdict. It is a value that is stored as JSON and drawn from that alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from pydantic import TypeAdapter

from streamflow.core.monitoring.drift import FeatureDrift
from streamflow.core.monitoring.performance import SURE, ConceptDrift, LabelDrift, Performance
from streamflow.core.statistics.metrics import Metrics

FORM = 1  # of a report: what is computed otherwise gets another number, and is another evidence

FEATURES, LABELS, CONCEPT = "feature drift", "label drift", "concept drift"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that a report is computed from; equal evidence is one report.

    reference, current   revision in words -> its digest as it is recorded now
    answers              logged predictions: how many of this version, the number of the newest, how many of others
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
        """sha256 over all of it."""
        text = json.dumps(
            {"form": FORM, **vars(self), "as_of": self.as_of.isoformat()},
            sort_keys=True,
            ensure_ascii=False,
        )
        return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How the answers that were given turned out: of each key the newest one of this version and drop.

    all        of all of them that have a label, or None when there are too few of a class
    unseen     of those alone whose key the version was not trained on
    others     answers of other versions, which are not looked at
    """

    given: int
    keys: int
    labelled: int
    unseen_labelled: int
    all: Metrics | None
    unseen: Metrics | None
    others: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is known of the drop of `as_of`, seen by the version in Production.

    reference_*   the drop that the version was trained on        label_as_of   the drop that dates the labels; None: not there
    performance   on hold-out keys, then (training) and now (the drop); None where there are too few labels
    notes         what could not be looked at, and why
    """

    evidence: Evidence
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
    answers: Answers | None
    notes: tuple[str, ...]

    @property
    def drifted(self) -> tuple[FeatureDrift, ...]:
        """The features that have."""
        return tuple(f for f in self.features if f.drifted)

    @property
    def counts_in_words(self) -> str:
        """How many features drifted, and how many differ surely but by too little to say so."""
        e = self.evidence
        differ = sum(
            f.distribution.p_adjusted <= e.drift_false_discovery and not f.drifted
            for f in self.features
        )
        little = f", {differ} differ significantly and by less" if differ else ""
        return f"{len(self.drifted)} of {len(self.features)} features drifted (PSI from {e.drift_psi:g} on){little}"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it fires, in words; empty when it does not."""
        return tuple(words for kind in self._found.values() for words in kind)

    @property
    def numbers(self) -> dict[str, float]:
        """The numbers to follow from month to month."""
        found = {"features_drifted": float(len(self.drifted)), "fires": float(self.fires)}
        found |= {f"psi_{f.name}": f.psi for f in self.features}
        found |= {"positive_share": self.labels.current} if self.labels else {}
        found |= {"auc": self.now.metrics.auc} if self.now else {}
        return found | ({"auc_change": self.concept.difference} if self.concept else {})

    @property
    def fires(self) -> bool:
        """Whether somebody has to look."""
        return bool(self.reasons)

    @property
    def verdict(self) -> str:
        """In one word or two: ok, or what has drifted."""
        return ", ".join(kind for kind, words in self._found.items() if words) or "ok"

    @property
    def _found(self) -> dict[str, tuple[str, ...]]:
        return {
            CONCEPT: (concept_in_words(self.concept),)
            if self.concept and self.concept.fires
            else (),
            LABELS: (labels_in_words(self.labels),) if self.labels and self.labels.fires else (),
            FEATURES: tuple(reason for f in self.features for reason in f.reasons),
        }


def concept_in_words(c: ConceptDrift) -> str:
    """The change of AUC with its interval.

    >>> concept_in_words(ConceptDrift(reference=0.82, current=0.49, difference=-0.33, low=-0.4, high=-0.26))
    'AUC on hold-out users 0.8200 -> 0.4900, change -0.3300 (99 % interval -0.4000..-0.2600)'
    """
    return f"AUC on hold-out users {c.reference:.4f} -> {c.current:.4f}, {_change(c.difference, c.low, c.high)}"


def labels_in_words(d: LabelDrift) -> str:
    """The change of the share of positive labels with its interval."""
    return f"share of positive labels {d.reference:.4f} -> {d.current:.4f}, {_change(d.difference, d.low, d.high)}"


def _change(difference: float, low: float, high: float) -> str:
    return f"change {difference:+.4f} ({SURE * 100:g} % interval {low:+.4f}..{high:+.4f})"


_REPORT = TypeAdapter(Report)


def to_values(report: Report) -> dict[str, Any]:
    """A report in plain values, as it is stored."""
    values: dict[str, Any] = _REPORT.dump_python(report, mode="json")
    return values


def from_values(values: Mapping[str, Any]) -> Report:
    """Read it back: `from_values(to_values(report)) == report`."""
    return _REPORT.validate_python(values)
