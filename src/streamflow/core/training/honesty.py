"""The honesty report of a training set: findings that speak against its labels and features.

Each finding has a sentence, numbers and a severity:

- `severe` blocks the gate: the labels or a feature tell what was known only after the outcome.
- `warning` is for a person to look at: the panel or the labels are not as before. That change may
  be the reason for the retraining.
- `note` says what the numbers alone would hide.

The checks of single columns are in `column_honesty`. The comparison with the drop before is in
`panel_honesty`. The sentences of the findings are part of the file's digest, which passports hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamflow.core.data.counts import count_of
from streamflow.core.data.json_text import MALFORMED_JSON, parse_json, readable_json
from streamflow.receipt import Receipt

FILE = "label_honesty.json"
FORMAT = 1

Severity = Literal["severe", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("severe", "warning", "note")
Labels = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class HonestyFinding:
    """What one check found in a training set.

    Attributes:
        words: The finding as a sentence.
        subject: The columns that it is about. Empty when it is about the labels or the panel as a
            whole.
    """

    check: str
    severity: Severity
    words: str
    subject: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the finding as a line of a receipt."""
        return f"{self.severity}: {self.words}"


@dataclass(frozen=True, kw_only=True)
class HonestyReport(Receipt):
    """The report on one training set.

    Equal rows and equal earlier drops always give the same report.

    Attributes:
        previous: The earlier labelled drop that the set was compared with.
    """

    as_of: date
    label_as_of: date
    label_lead: int
    previous: date | None
    rows: int
    findings: tuple[HonestyFinding, ...]

    @property
    def severe(self) -> bool:
        """Tell whether a finding speaks against training at all."""
        return bool(self.with_severity("severe"))

    def with_severity(self, *severities: Severity) -> tuple[HonestyFinding, ...]:
        """Return the findings that have one of these severities."""
        return tuple(finding for finding in self.findings if finding.severity in severities)

    @property
    def lines(self) -> tuple[str, ...]:
        """Return all findings as lines, the worst first."""
        return tuple(
            str(finding) for severity in SEVERITIES for finding in self.with_severity(severity)
        )

    @property
    def counts(self) -> str:
        """Return in words how many findings there are of each severity."""
        phrases = []
        for severity in SEVERITIES:
            count = len(self.with_severity(severity))
            plural = "s" if count != 1 and severity != "severe" else ""
            phrases.append(f"{count} {severity}{plural}")
        return ", ".join(phrases)

    @property
    def values(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "format": FORMAT,
            "as_of": self.as_of.isoformat(),
            "label_as_of": self.label_as_of.isoformat(),
            "label_lead": self.label_lead,
            "previous": self.previous.isoformat() if self.previous else None,
            "rows": self.rows,
            "severe": self.severe,
            "findings": [asdict(finding) for finding in self.findings],
        }

    @property
    def content(self) -> bytes:
        """Return the file. Equal reports give equal bytes."""
        return readable_json(self.values)


def parse_honesty(content: bytes) -> HonestyReport:
    """Read the file of an honesty report.

    Raises:
        ValueError: The content is not an honesty report.

    >>> day = date(2024, 1, 31)
    >>> findings = tuple(check_label_period(day, day))
    >>> report = HonestyReport(
    ...     as_of=day, label_as_of=day, label_lead=0, previous=None, rows=9, findings=findings
    ... )
    >>> parse_honesty(report.content) == report
    True
    """
    try:
        values = parse_json(content)
        return HonestyReport(
            as_of=date.fromisoformat(values["as_of"]),
            label_as_of=date.fromisoformat(values["label_as_of"]),
            label_lead=values["label_lead"],
            previous=date.fromisoformat(values["previous"]) if values["previous"] else None,
            rows=values["rows"],
            findings=tuple(HonestyFinding(**finding) for finding in values["findings"]),
        )
    except MALFORMED_JSON as exc:
        raise ValueError(f"{exc!r} is missing or has the wrong type") from exc


def check_label_period(as_of: datetime, label_as_of: datetime) -> list[HonestyFinding]:
    """Check the dates of features and labels against each other.

    >>> print(*check_label_period(datetime(2024, 1, 31), datetime(2024, 3, 31)))
    note: the labels are of 2024-03-31, 60 days after the features
    >>> check_label_period(datetime(2024, 1, 31), datetime(2023, 12, 31))[0].severity
    'severe'
    """
    days = (label_as_of - as_of).days
    severity: Severity = "note"
    if days < 0:
        severity = "severe"
        sentence = (
            f"the labels are of {label_as_of:%Y-%m-%d}, {count_of(-days, 'day')}"
            f" before the features of {as_of:%Y-%m-%d}: they tell of the past"
        )
    elif days == 0:
        sentence = (
            f"features and labels are of one drop, {as_of:%Y-%m-%d}:"
            " honest only if the label tells what came after that day"
        )
    else:
        sentence = (
            f"the labels are of {label_as_of:%Y-%m-%d}, {count_of(days, 'day')} after the features"
        )
    numbers = {"days": days}
    return [
        HonestyFinding(check="label-period", severity=severity, words=sentence, numbers=numbers)
    ]
