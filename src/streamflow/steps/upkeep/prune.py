"""prune: remove what no registered version needs, and old months of the prediction log.

These are frozen revisions, artifacts, runs of `score` and months of the log.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamflow.core.data.counts import count_of
from streamflow.database import connect
from streamflow.platform import Platform
from streamflow.steps.data.lake_cleaning import clean_lake
from streamflow.steps.observed import observed
from streamflow.warehouse import frozen, ledger, prediction_log_months, retention, scores
from streamflow.warehouse.frozen import Revision
from streamflow.warehouse.prediction_log_months import LogMonth
from streamflow.warehouse.roles import MAINTENANCE

if TYPE_CHECKING:
    import psycopg

    from streamflow.models.run_retention import UnneededRun


@dataclass(frozen=True, kw_only=True)
class PruneReceipt:
    """What was removed, or would be removed in a dry run.

    Attributes:
        revisions: Revisions that a newer revision replaces, that no passport names, and that the
            lists of the newest scored drop do not read.
        passports: The number of passports of versions that were deleted from the registry.
        runs: Runs of streamflow that have ended and that no version comes from. Their files go.
        revisions_kept: The number of revisions that stay.
        scores: Runs of `score` that a newer run replaces, whose version is gone, or that are too
            old.
        unknown: The number of passports without a version whose run this MLflow does not know.
            They stay.
        months: Months of the prediction log that are older than the setting
            prediction_log_months keeps.
        busy: Those of `months` that stay because the log was in use. The next `prune` takes them.
    """

    revisions: tuple[Revision, ...]
    passports: int
    runs: tuple[UnneededRun, ...]
    scores: tuple[int, ...]
    revisions_kept: int
    unknown: int
    months: tuple[LogMonth, ...]
    busy: tuple[str, ...]
    dry_run: bool

    @property
    def rows(self) -> int:
        """The number of frozen rows in the removed revisions."""
        return sum(revision.rows for revision in self.revisions)

    @property
    def bytes(self) -> int:
        """The size of the removed files, in bytes."""
        return sum(run.bytes for run in self.runs)


@observed("prune")
def prune(platform: Platform, *, dry_run: bool = False) -> PruneReceipt:
    """Remove what nothing needs: first from the database, then the files of runs.

    The database part is one transaction. No training registers a version in the meantime, and the
    database refuses to remove a revision that a passport names. If a `prune` is interrupted, the
    next one removes what is left.
    """
    with ExitStack() as open_contexts:
        connection = open_contexts.enter_context(platform.maintenance_connection())
        open_contexts.enter_context(ledger.lock_ledger(platform.connection))
        frozen.lock_for_writing(connection)
        registered_runs = platform.models.registered_runs()
        unregistered = retention.runs_without_version(connection, registered_runs)
        # Only an MLflow that knows a run can prove that its version was deleted. If the runs are
        # in a different MLflow, their versions may still be registered there.
        deleted = platform.models.known_runs(unregistered)
        runs = platform.models.unneeded_runs(deleted)
        score_runs = _find_unneeded_scores(platform, connection, registered_runs)
        revisions = retention.superseded_revisions(connection, deleted, score_runs)
        remaining = len(frozen.all_revisions(connection)) - len(revisions)
        if not dry_run:
            platform.notify(_describe_removal(len(revisions), len(deleted)))
            retention.delete_revisions(connection, deleted, revisions)
            scores.delete_runs(connection, score_runs)
    if not dry_run:
        for run in runs:
            platform.notify(f"removing the files of the run {run.run_id}")
            platform.models.remove_run(run)
        clean_lake(platform)
    months = _find_old_months(platform)
    busy = () if dry_run else _drop_months(platform, months)
    return PruneReceipt(
        revisions=tuple(revisions),
        passports=len(deleted),
        runs=tuple(runs),
        scores=tuple(score_runs),
        revisions_kept=remaining,
        unknown=len(unregistered) - len(deleted),
        months=tuple(months),
        busy=busy,
        dry_run=dry_run,
    )


def _describe_removal(revisions: int, versions: int) -> str:
    """Say how much is removed from the database."""
    return (
        f"removing {count_of(revisions, 'revision')}"
        f" and the passports of {count_of(versions, 'deleted version')}"
    )


def _find_old_months(platform: Platform) -> list[LogMonth]:
    """Find the months of the prediction log that the settings do not keep any longer."""
    months_kept = platform.settings.prediction_log_months
    if months_kept is None:
        return []
    return prediction_log_months.months_before(platform.connection, months_kept)


def _drop_months(platform: Platform, months: list[LogMonth]) -> tuple[str, ...]:
    """Drop each month in its own transaction, and return the months that were in use.

    Each transaction locks the prediction log for a moment.
    """
    if not months:
        return ()
    platform.notify(f"dropping {count_of(len(months), 'month')} of the prediction log")
    with connect(platform.login.with_role(MAINTENANCE), autocommit=True) as connection:
        return tuple(
            log_month.month
            for log_month in months
            if not prediction_log_months.drop_month(connection, log_month.month)
        )


def _find_unneeded_scores(
    platform: Platform,
    connection: psycopg.Connection,
    registered_runs: list[str],
) -> list[int]:
    """Find the runs of `score` that nothing needs.

    Runs of a version that a different MLflow may hold stay.
    """
    registered = set(registered_runs)
    unregistered = [run for run in scores.run_ids(connection) if run not in registered]
    deleted = platform.models.known_runs(unregistered)
    return scores.unneeded_runs(connection, deleted, platform.settings.score_retention_days)
