"""Whether a training set can be believed: what speaks against its labels and features, in words, with numbers and a severity.

`severe` blocks the gate: the labels or a feature tell what was known only after the outcome. A `warning` is for a person to look
at: panel or labels are not as before, which may be what a retraining is for. A `note` says what the numbers alone would hide.
What is compared with the drop before is in `honesty_panel`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.statistics.metrics import auc

FILE = "label_honesty.json"
FORMAT = 1

Severity = Literal["severe", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("severe", "warning", "note")
Labels = NDArray[np.bool_]

DECIDES = 0.95  # AUC of one column from which on it decides the label: our convention; the real drops' best column has 0.74
ENOUGH = 20  # rows of each class, below which nothing is said: with 20 of each a column of noise is at 0.95 once in a million
PURE = 0.98  # share of the rarer class among rows with a value (or without), from which on having one tells the label
GROUPS = 32  # of a number: it may also decide in the middle, or by one value


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found.

    subject  the columns that it is about; empty: labels or panel as a whole
    """

    check: str
    severity: Severity
    words: str
    subject: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """The line of a receipt."""
        return f"{self.severity}: {self.words}"


@dataclass(frozen=True, kw_only=True)
class Honesty:
    """The report on one training set; of equal rows and drops before it always the same.

    previous   the labelled drop before, that it was compared with
    """

    as_of: date
    label_as_of: date
    label_lead: int
    previous: date | None
    rows: int
    findings: tuple[Finding, ...]

    @property
    def severe(self) -> bool:
        """Whether something speaks against training at all."""
        return bool(self.of("severe"))

    def of(self, *severities: Severity) -> tuple[Finding, ...]:
        """The findings of these severities."""
        return tuple(f for f in self.findings if f.severity in severities)

    @property
    def words(self) -> tuple[str, ...]:
        """All findings, the worst first."""
        return tuple(str(f) for severity in SEVERITIES for f in self.of(severity))

    @property
    def counts(self) -> str:
        """How many findings of each severity."""
        many = [len(self.of(severity)) for severity in SEVERITIES]
        return ", ".join(
            f"{n} {name}{'s' if n != 1 and name != 'severe' else ''}"
            for n, name in zip(many, SEVERITIES, strict=True)
        )

    @property
    def values(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "format": FORMAT,
            "as_of": self.as_of.isoformat(),
            "label_as_of": self.label_as_of.isoformat(),
            "label_lead": self.label_lead,
            "previous": self.previous.isoformat() if self.previous else None,
            "rows": self.rows,
            "severe": self.severe,
            "findings": [asdict(f) for f in self.findings],
        }

    @property
    def content(self) -> bytes:
        """The file: the same bytes for the same report."""
        return (
            json.dumps(self.values, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        ).encode()


def parse_honesty(content: bytes) -> Honesty:
    """Read the file again. Raises ValueError when it is none.

    >>> day = date(2024, 1, 31)
    >>> found = label_period(day, day)
    >>> report = Honesty(as_of=day, label_as_of=day, label_lead=0, previous=None, rows=9, findings=tuple(found))
    >>> parse_honesty(report.content) == report
    True
    """
    try:
        held = json.loads(content)
        return Honesty(
            as_of=date.fromisoformat(held["as_of"]),
            label_as_of=date.fromisoformat(held["label_as_of"]),
            label_lead=held["label_lead"],
            previous=date.fromisoformat(held["previous"]) if held["previous"] else None,
            rows=held["rows"],
            findings=tuple(Finding(**one) for one in held["findings"]),
        )
    except (KeyError, TypeError) as exc:
        raise ValueError(f"{exc!r} is missing or no value of its kind") from exc


def label_period(as_of: date, label_as_of: date) -> list[Finding]:
    """What the dates of features and labels alone say.

    >>> print(*label_period(date(2024, 1, 31), date(2024, 3, 31)))
    note: the labels are of 2024-03-31, 60 days after the features
    >>> label_period(date(2024, 1, 31), date(2023, 12, 31))[0].severity
    'severe'
    """
    gap = (label_as_of - as_of).days
    severity: Severity = "severe" if gap < 0 else "note"
    if gap < 0:
        words = f"the labels are of {label_as_of}, {-gap} days before the features of {as_of}: they tell of the past"
    elif gap == 0:
        words = f"features and labels are of one drop, {as_of}: honest only if the label tells what came after that day"
    else:
        words = f"the labels are of {label_as_of}, {gap} days after the features"
    return [Finding(check="label-period", severity=severity, words=words, numbers={"days": gap})]


def constants(matrix: pl.DataFrame) -> list[Finding]:
    """The columns that tell nothing: one value in every row, or none.

    >>> print(*constants(pl.DataFrame({"fee": [1.0, 2.0], "mins": [29.1, 29.1], "plan": [None, None]})))
    note: the same in every row: mins, plan
    """
    same = [column.name for column in matrix if column.n_unique() <= 1]
    words = f"the same in every row: {', '.join(same)}"
    return (
        [Finding(check="constant", severity="note", subject=", ".join(same), words=words)]
        if same
        else []
    )


def deciding(matrix: pl.DataFrame, label: Labels) -> Iterator[Finding]:
    """The columns of `matrix` (n, features) that by a value, or by having one, nearly decide `label` (n,).

    >>> label = np.arange(100) % 4 == 0
    >>> frame = pl.DataFrame({"noise": np.arange(100) % 7, "status": np.where(label, 3, np.arange(100) % 2 * 5)})
    >>> for finding in deciding(frame, label): print(finding)
    severe: status alone nearly decides the label: AUC 1.0000
    """
    if not enough(label):
        words = f"{int(label.sum()):,} of {len(label):,} rows are positive: too few of a class to see what decides the label"
        yield Finding(check="single-feature", severity="note", words=words)
        return
    for column in matrix:
        empty = column.is_null().to_numpy()
        by_presence = list(_missingness(column.name, empty, label))
        yield from by_presence
        if not by_presence and (found := separation(column, label)) >= DECIDES:
            words = f"{column.name} alone nearly decides the label: AUC {found:.4f}"
            yield Finding(
                check="single-feature",
                severity="severe",
                subject=column.name,
                words=words,
                numbers={"auc": round(found, 4)},
            )


def enough(label: Labels) -> bool:
    """Whether there are rows enough of each class to rank them.

    >>> enough(np.arange(100) < 20), enough(np.arange(100) < 19)
    (True, False)
    """
    return bool(min(label.sum(), (~label).sum()) >= ENOUGH)


def _missingness(name: str, empty: Labels, label: Labels) -> Iterator[Finding]:
    """A column that has a value, or none, for one class alone: all of it, or a part."""
    rare = label if label.mean() <= 0.5 else ~label
    decides = abs(empty[label].mean() - empty[~label].mean()) / 2 + 0.5 >= DECIDES
    pure = any(group.sum() >= ENOUGH and rare[group].mean() >= PURE for group in (empty, ~empty))
    if decides or pure:
        filled = ~empty
        counts = {"positives": label, "negatives": ~label}
        numbers = {side: float(rows.sum()) for side, rows in counts.items()}
        numbers |= {
            f"{side}_with_value": float((filled & rows).sum()) for side, rows in counts.items()
        }
        with_value = " and ".join(
            f"{numbers[f'{s}_with_value']:,.0f} of {numbers[s]:,.0f} {s}" for s in counts
        )
        words = f"that {name} has a value nearly decides the label: {with_value} have one"
        yield Finding(
            check="missingness", severity="severe", subject=name, words=words, numbers=numbers
        )


def separation(column: pl.Series, label: Labels) -> float:
    """How well a column alone ranks the label, as an AUC of at least 0.5: by its order, or by the rate of each of its groups.

    A null is a group of its own. The rates are learned on one half of the rows and asked for the other, so that many groups of few
    rows each decide nothing by chance.

    >>> label = np.arange(200) % 5 == 0
    >>> separation(pl.Series("key", [f"user {i}" for i in range(200)]), label)
    0.5
    """
    found = [auc(label, _rates_unseen(_groups(column), label))]
    there = column.is_not_null().to_numpy()
    if (column.dtype.is_numeric() or column.dtype == pl.Boolean) and enough(label[there]):
        by_order = auc(label[there], column.filter(pl.Series(there)).cast(pl.Float64).to_numpy())
        found.append(max(by_order, 1 - by_order))
    return max(found)


def _groups(column: pl.Series) -> NDArray[np.int64]:
    """A number for each group: 0 is null, the others are values, or GROUPS quantiles where there are more values."""
    values = column.cast(pl.Int8) if column.dtype == pl.Boolean else column
    dense = values.rank("dense")
    if column.dtype.is_numeric() and column.n_unique() > GROUPS:
        dense = (values.rank("min") - 1) * GROUPS // values.count() + 1
    return dense.fill_null(0).cast(pl.Int64).to_numpy()


def _rates_unseen(group: NDArray[np.int64], label: Labels) -> NDArray[np.float64]:
    """For each row the rate of its group in the other half of the rows, drawn to that of all by one row."""
    mixed = np.arange(len(label), dtype=np.uint64) * np.uint64(2654435761) >> np.uint64(
        20
    )  # Knuth's multiplicative hash
    score, half, groups = np.empty(len(label)), mixed % np.uint64(2) == 1, int(group.max()) + 1
    for side in (half, ~half):
        rows = np.bincount(group[~side], minlength=groups)
        hits = np.bincount(group[~side], label[~side], groups)
        score[side] = ((hits + label.mean()) / (rows + 1))[group[side]]
    return score
