"""The temporal proof of a training set: derive every cell again from frozen rows.

`train` and `verify` use it. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from importlib.metadata import version

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.data.counts import count_of
from streamflow.core.data.digest import sort_for_digest
from streamflow.core.data.instants import format_instant
from streamflow.core.training.certificate import (
    SAMPLED_CELLS,
    Certificate,
    KeyScope,
    choose_scope,
    merge_certificates,
)
from streamflow.core.training.row_sources import (
    DatedRevision,
    Reading,
    admissible_revisions,
    missing_keys,
)
from streamflow.core.training.temporal_proof import Audit
from streamflow.core.training.training_set import TrainingSet
from streamflow.core.training.violations import CellViolation, explain_violation
from streamflow.errors import TemporalViolation
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.steps.data.engine import open_step_engine
from streamflow.steps.data.loaded_rows import read_provenance
from streamflow.warehouse import provenance

# Called with columns and their logical types, revisions, and keys or None; returns frozen rows.
ReadProvenance = Callable[
    [Mapping[str, str], Sequence[DatedRevision], pl.Series | None], pl.DataFrame
]
CHUNK = 200_000  # the frozen rows of so many keys are in memory at a time
MAX_EXPLAINED = 1_000  # only the first violations are explained; all of them are counted
MAX_SHOWN = 20  # an error's message shows the first of the explained violations


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The certificate, and the first MAX_EXPLAINED violations with their explanations."""

    certificate: Certificate
    violations: tuple[CellViolation, ...]


def certify(platform: Platform, rows: TrainingSet, *, full: bool = False) -> Certificate:
    """Return the certificate of a training set that has no violation.

    Raises TemporalViolation with the explained violations.
    """
    proof = prove(platform, rows, full=full)
    count = proof.certificate.violations
    if count:
        lines = [str(violation) for violation in proof.violations]
        shown = lines[:MAX_SHOWN]
        if count > MAX_SHOWN:
            shown.append(f"… and {count - MAX_SHOWN:,} more")
        cells = count_of(proof.certificate.checked, "cell")
        shown.append(f"({count_of(count, 'violation')} in {cells})")
        raise TemporalViolation("\n".join(shown), violations=lines, count=count)
    return proof.certificate


def prove(
    platform: Platform, rows: TrainingSet, *, full: bool = False, sample: int = SAMPLED_CELLS
) -> Proof:
    """Derive the cells of a training set again, month by month, and compare them.

    Args:
        platform: the open platform
        rows: the training set
        full: check every cell, however many there are
        sample: check about this many cells, those of some keys, if the set has more and not `full`
    """
    cells = rows.row_count * (len(rows.features) + 1)
    check_all = full or cells <= sample
    share = sample // len(rows.months)
    proofs = [_prove_month(platform, month, full=check_all, sample=share) for month in rows.months]
    if not rows.earlier:
        return proofs[0]
    violations = [
        replace(violation, what=f"{violation.what} as of {format_instant(month.as_of)}")
        for month, proof in zip(rows.months, proofs, strict=True)
        for violation in proof.violations
    ]
    certificate = merge_certificates({
        format_instant(month.as_of): proof.certificate
        for month, proof in zip(rows.months, proofs, strict=True)
    })  # fmt: skip
    return Proof(certificate=certificate, violations=tuple(violations[:MAX_EXPLAINED]))


def _prove_month(platform: Platform, rows: TrainingSet, *, full: bool, sample: int) -> Proof:
    keys = rows.frame[rows.key]
    width = len(rows.features) + 1
    scope = choose_scope(keys, width=width, full=full, sample=sample)
    frame = sort_for_digest(rows.frame.filter(pl.Series(scope.includes(keys))), rows.key)
    checked_cells = len(frame) * width
    progress = Progress(
        platform.notify, "checking where cells come from", checked_cells, unit="cells"
    )
    sources = [
        _FrozenSource(platform, reading, rows.key)
        for reading in make_readings(platform.catalog, rows)
    ]
    absent_keys = _find_absent_keys(rows, scope, sources)
    count = len(absent_keys)
    violations = absent_keys[:MAX_EXPLAINED]
    certificate_parts = []
    for source in sources:
        audit = source.audit(frame, MAX_EXPLAINED - len(violations), progress)
        count += audit.count
        violations = violations + source.explain(audit.violations)
        certificate_parts.append(audit.certificate_part)
    certificate = Certificate(
        engine=f"pandas {version('pandas')}",
        rows=len(keys),
        cells=len(keys) * width,
        checked=checked_cells,
        sampled=scope.limit is not None,
        violations=count,
        parts=tuple(certificate_parts),
    )
    return Proof(certificate=certificate, violations=tuple(violations))


def make_readings(catalog: Catalog, rows: TrainingSet) -> list[Reading]:
    """Return what the columns of a training set may be read from.

    The first reading is the population (the key exists), the second is the label, then there is
    one reading for the features of each view.
    """
    label = catalog.label
    population = Reading(
        name=catalog.entity.table,
        table=catalog.entity.table,
        types={},
        as_of=rows.as_of,
        known_at=rows.known_at,
        ttl=timedelta(0),
    )
    labels = replace(
        population,
        name=label.table,
        table=label.table,
        types={label.column: "bool"},
        as_of=rows.label_as_of,
    )
    readings = [population, labels]
    for name, view in catalog.views.items():
        types = _feature_types(catalog, name)
        ttl = catalog.ttl(name)
        readings.append(replace(population, name=name, table=view.table, types=types, ttl=ttl))
    return readings


def _feature_types(catalog: Catalog, view: str) -> dict[str, str]:
    return {feature.name: feature.column.type for feature in catalog.features_of(view)}


class _FrozenSource:
    """The frozen rows that one reading may see."""

    def __init__(self, platform: Platform, reading: Reading, key: str) -> None:
        self.reading = reading
        self._key = key
        self._revisions = provenance.frozen_revisions(platform.connection, reading.table)
        self._read = _open_reader(platform, reading.table)

    def keys(self) -> pl.Series:
        """Return every key of the revisions that the reading may see."""
        return self._read({}, admissible_revisions(self._revisions, self.reading), None)[self._key]

    def audit(self, frame: pl.DataFrame, limit: int, progress: Progress) -> Audit:
        """Check the columns of this reading, CHUNK keys at a time."""
        key_schema = frame.select(self._key).schema
        audit = Audit(self.reading, key_schema, self._revisions, limit=limit)
        visible = admissible_revisions(self._revisions, self.reading)
        for chunk in frame.iter_slices(CHUNK):
            audit.add(chunk, self._read(self.reading.types, visible, chunk[self._key]))
            progress.add(len(chunk) * len(self.reading.types))
        return audit

    def explain(self, violations: list[CellViolation]) -> list[CellViolation]:
        """Add to each violation the frozen row that the wrong value comes from.

        That row may be of any instant and any revision. A violation of the population needs no
        explanation: it says that the key does not exist.
        """
        if not violations or not self.reading.types:
            return violations
        keys = pl.Series(self._key, [violation.key for violation in violations]).unique()
        history = self._read(self.reading.types, self._revisions, keys)
        explanations = []
        for violation in violations:
            key_history = history.filter(pl.col(self._key) == violation.key)
            explanations.append(
                explain_violation(violation, key_history, self._revisions, self.reading)
            )
        return explanations


def _open_reader(platform: Platform, table: str) -> ReadProvenance:
    """Return what reads frozen rows of a table; the engine of the settings reads the lake."""
    engine = open_step_engine(platform)
    if engine is None:
        return partial(read_provenance, platform, table)
    from streamflow.steps.data.engine_rows import EngineRows

    return partial(EngineRows(platform, engine).read_provenance, table)


def _find_absent_keys(
    rows: TrainingSet,
    scope: KeyScope,
    sources: list[_FrozenSource],
) -> list[CellViolation]:
    """Find the keys of the population that have a label and are not in the training set."""
    population, labels = sources[:2]
    set_keys = rows.frame[rows.key]
    keys = missing_keys(set_keys, population.keys(), labels.keys())
    in_scope = scope.includes(pl.Series(keys, dtype=set_keys.dtype))
    reason = (
        f"it has a row and a label as of {format_instant(rows.as_of)},"
        " but no row in the training set"
    )
    return [
        CellViolation(key=key, what=population.reading.name, why=reason)
        for key, is_checked in zip(keys, in_scope, strict=True)
        if is_checked
    ]
