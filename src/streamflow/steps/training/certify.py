"""The temporal proof of a training set: every cell derived again from frozen rows. For train and verify; nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from importlib.metadata import version

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.data.digest import in_order
from streamflow.core.data.instants import day
from streamflow.core.training.certificate import SAMPLE, Certificate, Scope, scope_of
from streamflow.core.training.row_sources import Reading, absent, admissible
from streamflow.core.training.temporal_proof import Audit
from streamflow.core.training.training_set import TrainingSet
from streamflow.core.training.violations import Violation, explained
from streamflow.errors import TemporalViolation
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.warehouse import provenance

CHUNK = 200_000  # keys whose frozen rows are in memory at a time
LISTED = 1_000  # violations that are explained; all are counted
SHOWN = 20  # of them in an error's message


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The certificate, and the first LISTED violations, explained."""

    certificate: Certificate
    violations: tuple[Violation, ...]


def certified(
    platform: Platform,
    rows: TrainingSet,
    *,
    full: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> Certificate:
    """The certificate of a training set that is clean. Raises TemporalViolation with every violation."""
    proof = prove(platform, rows, full=full, notify=notify)
    count = proof.certificate.violations
    if count:
        lines = [str(violation) for violation in proof.violations]
        more = [f"… and {count - SHOWN:,} more"] if count > SHOWN else []
        counted = f"({count:,} violation{'s' if count > 1 else ''} in {proof.certificate.checked:,} cells)"
        raise TemporalViolation(
            "\n".join([*lines[:SHOWN], *more, counted]), violations=lines, count=count
        )
    return proof.certificate


def prove(
    platform: Platform,
    rows: TrainingSet,
    *,
    full: bool = False,
    sample: int = SAMPLE,
    notify: Callable[[str], None] = lambda _: None,
) -> Proof:
    """Derive every cell of a training set again; where it has more than `sample` cells those of some keys, unless `full`."""
    keys, width = rows.frame[rows.key], len(rows.features) + 1
    scope = scope_of(keys, width=width, full=full, sample=sample)
    frame = in_order(rows.frame.filter(pl.Series(scope.holds(keys))), rows.key)
    progress = Progress(notify, "checking where cells come from", len(frame) * width, unit="cells")
    sources = [_Source(platform, reading, rows.key) for reading in readings(platform.catalog, rows)]
    lacking = _lacking(rows, scope, sources)
    count, wrong, parts = len(lacking), lacking[:LISTED], []
    for source in sources:
        audit = source.audited(frame, LISTED - len(wrong), progress)
        count, wrong = count + audit.count, wrong + source.explained(audit.wrong)
        parts.append(audit.part)
    certificate = Certificate(
        engine=f"pandas {version('pandas')}",
        rows=len(keys),
        cells=len(keys) * width,
        checked=len(frame) * width,
        sampled=scope.limit is not None,
        violations=count,
        parts=tuple(parts),
    )
    return Proof(certificate=certificate, violations=tuple(wrong))


def readings(catalog: Catalog, rows: TrainingSet) -> list[Reading]:
    """What the columns of a training set may be read from: that the key is there, the label, the features view by view."""
    exactly, label = timedelta(0), catalog.label
    people = Reading(
        name=catalog.entity.table,
        table=catalog.entity.table,
        types={},
        as_of=rows.as_of,
        known_at=rows.known_at,
        ttl=exactly,
    )
    labels = replace(
        people,
        name=label.table,
        table=label.table,
        types={label.column: "bool"},
        as_of=rows.label_as_of,
    )
    views = [
        replace(
            people,
            name=name,
            table=view.table,
            types={f.name: f.column.type for f in catalog.features_of(name)},
            ttl=catalog.ttl(name),
        )
        for name, view in catalog.views.items()
    ]
    return [people, labels, *views]


class _Source:
    """The frozen rows that one reading may see."""

    def __init__(self, platform: Platform, reading: Reading, key: str) -> None:
        self.reading, self._key = reading, key
        self._places = provenance.places(platform.connection, reading.table)
        typed_key = (key, platform.catalog.entity.type)
        self._read = partial(provenance.rows, platform.address, reading.table, typed_key)

    def keys(self) -> pl.Series:
        """Every key of the revisions that count."""
        return self._read((), admissible(self._places, self.reading), None)[self._key]

    def audited(self, frame: pl.DataFrame, limit: int, progress: Progress) -> Audit:
        """Check the columns of this reading, as many keys at a time as memory holds."""
        audit = Audit(self.reading, frame.select(self._key).schema, self._places, limit=limit)
        valid = admissible(self._places, self.reading)
        for chunk in frame.iter_slices(CHUNK):
            audit.add(chunk, self._read(self.reading.types, valid, chunk[self._key]))
            progress.add(len(chunk) * len(self.reading.types))
        return audit

    def explained(self, wrong: list[Violation]) -> list[Violation]:
        """The violations with the frozen row that each wrong value stands in, of whatever instant and revision."""
        if not wrong or not self.reading.types:  # that a key is not there needs no more words
            return wrong
        asked = pl.Series(self._key, [violation.key for violation in wrong]).unique()
        history = self._read(self.reading.types, self._places, asked)
        return [
            explained(v, history.filter(pl.col(self._key) == v.key), self._places, self.reading)
            for v in wrong
        ]


def _lacking(rows: TrainingSet, scope: Scope, sources: list[_Source]) -> list[Violation]:
    """The keys of the population that have a label, and no row in the set."""
    people, labels = sources[:2]
    keys = absent(rows.frame[rows.key], people.keys(), labels.keys())
    held = scope.holds(pl.Series(keys, dtype=rows.frame[rows.key].dtype))
    why = f"it and its label are there as of {day(rows.as_of)}, and the set has no row of it"
    return [
        Violation(key=key, what=people.reading.name, why=why)
        for key, inside in zip(keys, held, strict=True)
        if inside
    ]
