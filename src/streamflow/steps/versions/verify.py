"""verify: make the training set of a version again, and prove again where its cells come from.

The set and the certificate are compared with the passport. Nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streamflow.core.data.difference import Difference
from streamflow.core.training.certificate import (
    Certificate,
    are_comparable,
    certificate_differences,
)
from streamflow.core.training.training_set import TrainingSet
from streamflow.core.training.violations import CellViolation
from streamflow.core.versions.passport import Passport
from streamflow.errors import EngineFailed, SnapshotDamaged, TrainingImpossible
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.steps.data.engine import open_step_engine
from streamflow.steps.data.frozen_checks import find_damages
from streamflow.steps.training.certify import prove
from streamflow.steps.versions.event_checks import EventCheck, check_events
from streamflow.steps.versions.rebuilt_training_set import (
    describe_set_differences,
    rebuild_training_set,
)
from streamflow.steps.versions.recorded_version import (
    find_recorded_version,
    platform_as_recorded,
    require_frozen,
)


@dataclass(frozen=True, kw_only=True)
class VerifyReceipt(Receipt):
    """What the proof found, and whether training set and certificate are the recorded ones.

    frozen_rows    which revisions of the passport no longer have the rows that were frozen
    certificate    of the new proof; `violations` lists the first of the violations it counts
    training_set   how the set that the frozen rows give today differs from the recorded set:
                   its rows, features and label
    differences    how the new certificate differs from the recorded one; when only one of them
                   covers all cells (`are_comparable` is False), only rows, cells and violations
                   are compared
    tampered       which parts of the record itself were changed
    events         for each revision that was made of events, whether they give it again
    """

    model: str
    version: int
    run_id: str
    as_of: datetime
    label_as_of: datetime
    known_at: datetime
    frozen_rows: tuple[str, ...]
    certificate: Certificate
    violations: tuple[CellViolation, ...]
    training_set: tuple[str, ...]
    differences: tuple[Difference, ...]
    comparable: bool
    tampered: tuple[str, ...]
    events: tuple[EventCheck, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every cell has the value that belongs there, and nothing differs."""
        return not (
            self.frozen_rows
            or self.certificate.violations
            or self.training_set
            or self.differences
            or self.tampered
            or any(check.differs for check in self.events)
        )


def verify(platform: Platform, version_or_run: str, *, full: bool = False) -> VerifyReceipt:
    """Prove the training set of a version again; with `full` every cell of it.

    Args:
        platform: the open platform
        version_or_run: the number of the version, or the id of its run
        full: check every cell of a large set, too, not a sample

    Raises:
        VersionMissing: no version has this number or run id
        NotRebuildable: the passport, or a revision that it names, is gone
        SnapshotDamaged: no training set can be made of the frozen rows, because they changed
    """
    record = find_recorded_version(platform, version_or_run)
    passport = record.passport
    recorded_platform = platform_as_recorded(platform, passport)
    platform.notify(f"making the training set of version {record.version.version} again")
    damages = _find_damages(recorded_platform, passport)
    rows = _rebuild(recorded_platform, passport, damages)
    proof = prove(recorded_platform, rows, full=full)
    return VerifyReceipt(
        model=recorded_platform.catalog.model,
        version=record.version.version,
        run_id=record.version.run_id,
        as_of=passport.as_of,
        label_as_of=passport.label_as_of,
        known_at=passport.known_at,
        frozen_rows=damages,
        certificate=proof.certificate,
        violations=proof.violations,
        training_set=describe_set_differences(passport, rows),
        differences=certificate_differences(passport.certificate, proof.certificate),
        comparable=are_comparable(passport.certificate, proof.certificate),
        tampered=record.tampered,
        events=tuple(check_events(recorded_platform, passport.sources)),
    )


def _find_damages(platform: Platform, passport: Passport) -> tuple[str, ...]:
    """Describe the revisions of a passport whose rows are not the recorded ones."""
    revisions = require_frozen(platform, passport.sources)
    return tuple(find_damages(platform, revisions.values(), open_step_engine(platform)))


def _rebuild(platform: Platform, passport: Passport, damages: tuple[str, ...]) -> TrainingSet:
    """Make the training set again; if damaged rows make that impossible, the error names them."""
    try:
        return rebuild_training_set(platform, passport)
    except (TrainingImpossible, SnapshotDamaged, EngineFailed) as exc:
        if not damages:
            raise
        raise SnapshotDamaged(
            "\n".join(damages), state=f"No training set can be made: {exc.message}"
        ) from exc
