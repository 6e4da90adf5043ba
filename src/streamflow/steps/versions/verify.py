"""verify: the training set of a version, made again, held against its passport and proved in time anew. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from streamflow.core.data.difference import Difference
from streamflow.core.training.certificate import Certificate, comparable, differences
from streamflow.core.training.violations import Violation
from streamflow.platform import Platform
from streamflow.steps.training.certify import prove
from streamflow.steps.versions.recorded_version import (
    as_recorded,
    rebuilt_set,
    recorded,
    set_differences,
)


@dataclass(frozen=True, kw_only=True)
class VerifyReceipt:
    """What the proof found, and whether set and certificate are the recorded ones.

    certificate    of now; `violations` lists the first of those that it counts
    training_set   in what the set that the frozen rows give now is not the recorded one: rows, features, label
    differences    in what the certificate is not the recorded one; of a sample and a whole (`comparable` is False)
                   only rows, cells and violations are compared
    tampered       what of the record itself was changed
    """

    model: str
    version: int
    run_id: str
    as_of: datetime
    label_as_of: datetime
    known_at: datetime
    certificate: Certificate
    violations: tuple[Violation, ...]
    training_set: tuple[str, ...]
    differences: tuple[Difference, ...]
    comparable: bool
    tampered: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every cell is what belongs there, and all is as recorded."""
        return not (
            self.certificate.violations or self.training_set or self.differences or self.tampered
        )


def verify(
    platform: Platform,
    which: str,
    *,
    full: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> VerifyReceipt:
    """Prove the training set of a version, named by number or run, once more (every cell of it if `full`).

    Raises VersionMissing, and NotRebuildable when the passport or a revision that it names is gone.
    """
    found = recorded(platform, which)
    passport, then = found.passport, as_recorded(platform, found.passport)
    notify(f"making the training set of version {found.version.version} again")
    rows = rebuilt_set(then, passport)
    proof = prove(then, rows, full=full, notify=notify)
    return VerifyReceipt(
        model=then.catalog.model,
        version=found.version.version,
        run_id=found.version.run_id,
        as_of=passport.as_of,
        label_as_of=passport.label_as_of,
        known_at=passport.known_at,
        certificate=proof.certificate,
        violations=proof.violations,
        training_set=set_differences(passport, rows),
        differences=differences(passport.certificate, proof.certificate),
        comparable=comparable(passport.certificate, proof.certificate),
        tampered=found.tampered,
    )
