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
from streamflow.core.training.violations import CellViolation
from streamflow.platform import Platform
from streamflow.steps.training.certify import prove
from streamflow.steps.versions.rebuilt_training_set import (
    describe_set_differences,
    rebuild_training_set,
)
from streamflow.steps.versions.recorded_version import find_recorded_version, platform_as_recorded


@dataclass(frozen=True, kw_only=True)
class VerifyReceipt:
    """What the proof found, and whether training set and certificate are the recorded ones.

    certificate    of the new proof; `violations` lists the first of the violations it counts
    training_set   how the set that the frozen rows give today differs from the recorded set:
                   its rows, features and label
    differences    how the new certificate differs from the recorded one; when only one of them
                   covers all cells (`are_comparable` is False), only rows, cells and violations
                   are compared
    tampered       which parts of the record itself were changed
    """

    model: str
    version: int
    run_id: str
    as_of: datetime
    label_as_of: datetime
    known_at: datetime
    certificate: Certificate
    violations: tuple[CellViolation, ...]
    training_set: tuple[str, ...]
    differences: tuple[Difference, ...]
    comparable: bool
    tampered: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every cell has the value that belongs there, and nothing differs."""
        return not (
            self.certificate.violations or self.training_set or self.differences or self.tampered
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
    """
    record = find_recorded_version(platform, version_or_run)
    passport = record.passport
    recorded_platform = platform_as_recorded(platform, passport)
    platform.notify(f"making the training set of version {record.version.version} again")
    rows = rebuild_training_set(recorded_platform, passport)
    proof = prove(recorded_platform, rows, full=full)
    return VerifyReceipt(
        model=recorded_platform.catalog.model,
        version=record.version.version,
        run_id=record.version.run_id,
        as_of=passport.as_of,
        label_as_of=passport.label_as_of,
        known_at=passport.known_at,
        certificate=proof.certificate,
        violations=proof.violations,
        training_set=describe_set_differences(passport, rows),
        differences=certificate_differences(passport.certificate, proof.certificate),
        comparable=are_comparable(passport.certificate, proof.certificate),
        tampered=record.tampered,
    )
