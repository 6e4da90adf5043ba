"""Steps on versions as methods: train, models, gate, promote, rollback, verify and more."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from streamflow.python_api.arguments import Day, parse_day, parse_instant
from streamflow.python_api.open_installation import OpenInstallation

if TYPE_CHECKING:
    import polars as pl

    from streamflow.steps.promotion.promote import PromoteReceipt
    from streamflow.steps.promotion.rollback import RollbackReceipt
    from streamflow.steps.training.train import TrainReceipt
    from streamflow.steps.versions.compare import CompareReceipt
    from streamflow.steps.versions.reproduce import ReproduceReceipt
    from streamflow.steps.versions.verify import VerifyReceipt

VersionOrRun = int | str  # the number of a version, or the id of its run


class VersionSteps(OpenInstallation):
    """Make versions, decide which one serves, and check what is recorded of them."""

    def train(
        self,
        as_of: Day,
        *,
        label_lead: int = 0,
        known_at: str | date | None = None,
        full: bool = False,
        months: int = 1,
        **settings: Any,
    ) -> TrainReceipt:
        """Train a model and register it as a new version.

        Args:
            as_of: the drop of the features.
            label_lead: take the labels from so many drops later.
            known_at: read only what was known at this instant; by default now.
            full: prove every cell of a large training set, too.
            months: learn from so many labelled drops, up to `as_of`, each as known at its own K.
            settings: for this training alone, such as model='logistic' or threshold=0.4.
        """
        from streamflow.steps.training.train import train

        instant = parse_day(as_of)
        limit = parse_instant(known_at)
        with self._session(settings) as platform:
            return train(
                platform, instant, label_lead=label_lead, known_at=limit, full=full, months=months
            )

    def models(self) -> pl.DataFrame:
        """List the versions, the newest first, with stage, day of the data, and metrics."""
        from streamflow.python_api.version_list import list_versions

        with self._session() as platform:
            return list_versions(platform.models.versions())

    def gate(self, version: int | None = None) -> PromoteReceipt:
        """Show whether the gate would let a version into Production. Nothing is changed.

        Without a version it is the one in Staging, else the newest.
        """
        from streamflow.steps.promotion.promote import promote

        with self._session() as platform:
            return promote(platform, version, dry_run=True)

    def promote(
        self,
        version: int | None = None,
        *,
        to: Literal["production", "staging"] = "production",
        why: str = "",
        force: bool = False,
    ) -> PromoteReceipt:
        """Put a version into a stage, if the gate allows it; the ledger gets an entry either way.

        Args:
            version: by default the one in Staging, else the newest.
            to: the stage. Staging has no gate.
            why: the reason, which the ledger stores.
            force: promote whatever the gate decides. This needs a reason.
        """
        from streamflow.steps.promotion.promote import STAGES, promote

        if to not in STAGES:
            raise ValueError(f"to: expected one of {', '.join(STAGES)}, got {to!r}")
        if force and not why.strip():
            raise ValueError("why: a forced promotion needs a reason")
        with self._session() as platform:
            return promote(platform, version, to=to, why=why, force=force)

    def rollback(self, *, why: str = "") -> RollbackReceipt:
        """Put the version back that was in Production before the present one."""
        from streamflow.steps.promotion.rollback import rollback

        with self._session() as platform:
            return rollback(platform, why=why)

    def verify(self, version: VersionOrRun, *, full: bool = False) -> VerifyReceipt:
        """Check again that the training set of a version saw no future value.

        Args:
            version: its number, or the id of its run.
            full: check every cell of a large training set, too.
        """
        from streamflow.steps.versions.verify import verify

        with self._session() as platform:
            return verify(platform, str(version), full=full)

    def reproduce(
        self, version: VersionOrRun, *, code: Literal["at-hand", "recorded"] = "at-hand"
    ) -> ReproduceReceipt:
        """Rebuild a version from its passport, and compare. Nothing is written.

        Args:
            version: its number, or the id of its run.
            code: 'recorded' runs the recorded commit in a git worktree of its own.
        """
        from streamflow.steps.versions.reproduce import reproduce
        from streamflow.steps.versions.reproduce_recorded import reproduce_recorded

        steps = {"at-hand": reproduce, "recorded": reproduce_recorded}
        if code not in steps:
            raise ValueError(f"code: expected one of {', '.join(steps)}, got {code!r}")
        with self._session() as platform:
            return steps[code](platform, str(version))

    def compare(self, version_a: VersionOrRun, version_b: VersionOrRun) -> CompareReceipt:
        """Say how much of the change of each metric comes from which cause.

        Both versions are rebuilt, and every combination of their causes. Nothing is written.
        """
        from streamflow.steps.versions.compare import compare

        with self._session() as platform:
            return compare(platform, str(version_a), str(version_b))
