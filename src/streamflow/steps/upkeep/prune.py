"""prune: remove the revisions and artifacts that no registered version needs, and old months of the prediction log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamflow.database import connect
from streamflow.platform import Platform
from streamflow.warehouse import frozen, ledger, prediction_log_months, retention, scores
from streamflow.warehouse.frozen import Revision
from streamflow.warehouse.prediction_log_months import LogMonth
from streamflow.warehouse.roles import MAINTENANCE

if TYPE_CHECKING:
    import psycopg

    from streamflow.models.run_retention import UnneededRun


@dataclass(frozen=True, kw_only=True)
class PruneReceipt:
    """What was removed, or with `dry_run` would be.

    revisions   superseded by a newer one, and named by no passport
    passports   of versions that were deleted from the registry
    runs        of ours, ended, that no version comes from: their files
    kept        how many revisions stay
    scores      runs of `score` that a newer one replaces, whose version is gone, or that are too old
    unknown     passports without a version whose run this MLflow does not know: they stay
    months      of the prediction log, older than the setting prediction_log_months keeps
    busy        of these the ones that stay since the log was in use: the next `prune` takes them
    """

    revisions: tuple[Revision, ...]
    passports: int
    runs: tuple[UnneededRun, ...]
    scores: tuple[int, ...]
    kept: int
    unknown: int
    months: tuple[LogMonth, ...]
    busy: tuple[str, ...]
    dry_run: bool

    @property
    def rows(self) -> int:
        """Frozen rows of the revisions."""
        return sum(r.rows for r in self.revisions)

    @property
    def bytes(self) -> int:
        """Of the files."""
        return sum(r.bytes for r in self.runs)


def prune(
    platform: Platform, *, dry_run: bool = False, notify: Callable[[str], None] = lambda _: None
) -> PruneReceipt:
    """Remove what nothing needs: first from the database, in one transaction, then the files of runs.

    No training registers meanwhile, and the database refuses that a revision goes which a passport names. What is left
    of an interrupted one the next takes.
    """
    with ExitStack() as held:
        connection = held.enter_context(platform.maintenance())
        held.enter_context(ledger.alone(platform.connection))
        frozen.lock_for_writing(connection)
        registered = platform.models.registered_runs()
        unregistered = retention.without_version(connection, registered)
        gone = platform.models.known_runs(
            unregistered
        )  # another MLflow than theirs is no proof that they were deleted
        runs = platform.models.unneeded_runs(gone)
        revisions = retention.superseded(connection, gone)
        scored = _scores(platform, connection, registered)
        kept = len(frozen.all_revisions(connection)) - len(revisions)
        if not dry_run:
            notify(
                f"removing {len(revisions)} revisions and the passports of {len(gone)} versions that are gone"
            )
            retention.remove(connection, gone, revisions)
            scores.remove(connection, scored)
    if not dry_run:
        for run in runs:
            notify(f"removing the files of the run {run.run_id}")
            platform.models.remove_run(run)
    months = _old_months(platform)
    busy = () if dry_run else _drop(platform, months, notify)
    return PruneReceipt(
        revisions=tuple(revisions),
        passports=len(gone),
        runs=tuple(runs),
        scores=tuple(scored),
        kept=kept,
        unknown=len(unregistered) - len(gone),
        months=tuple(months),
        busy=busy,
        dry_run=dry_run,
    )


def _old_months(platform: Platform) -> list[LogMonth]:
    kept = platform.settings.prediction_log_months
    return [] if kept is None else prediction_log_months.months_before(platform.connection, kept)


def _drop(
    platform: Platform, months: list[LogMonth], notify: Callable[[str], None]
) -> tuple[str, ...]:
    """Drop each in a transaction of its own, which locks the log for a moment; those that could not be dropped."""
    if not months:
        return ()
    notify(f"dropping {len(months)} months of the prediction log")
    with connect(platform.login.with_role(MAINTENANCE), autocommit=True) as connection:
        return tuple(
            one.month
            for one in months
            if not prediction_log_months.drop_month(connection, one.month)
        )


def _scores(platform: Platform, connection: psycopg.Connection, registered: list[str]) -> list[int]:
    """The runs of `score` that nothing needs; those of a version that another MLflow may hold stay."""
    gone = platform.models.known_runs(
        [r for r in scores.run_ids(connection) if r not in set(registered)]
    )
    return scores.unneeded(connection, gone, platform.settings.score_retention_days)
