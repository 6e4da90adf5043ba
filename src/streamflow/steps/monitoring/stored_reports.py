"""Read the stored reports of `monitor` and the stored counts of `skew`."""

from __future__ import annotations

from dataclasses import dataclass

from streamflow.core.monitoring.report import Report, from_values
from streamflow.errors import SnapshotMissing
from streamflow.platform import Platform
from streamflow.warehouse import monitoring, skew
from streamflow.warehouse.monitoring import StoredReport
from streamflow.warehouse.skew import SkewCounts

SKEW_RUNS = 10


@dataclass(frozen=True, kw_only=True)
class ReportList:
    """The newest reports of `monitor`, and what the newest runs of `skew` counted."""

    reports: tuple[StoredReport, ...]
    skew: tuple[SkewCounts, ...]


@dataclass(frozen=True, kw_only=True)
class ReportRecord:
    """One stored report of `monitor` with its content."""

    stored: StoredReport
    report: Report


def list_reports(platform: Platform, *, below: int | None = None, limit: int) -> ReportList:
    """List the newest reports of the catalog's model, those with smaller numbers than `below`."""
    connection = platform.connection
    model = platform.catalog.model
    reports = monitoring.newest_reports(connection, model, below=below, limit=limit)
    counts = skew.newest_counts(connection, SKEW_RUNS)
    return ReportList(reports=tuple(reports), skew=tuple(counts))


def read_report(platform: Platform, number: int) -> ReportRecord:
    """Read one report of the catalog's model.

    Raises:
        SnapshotMissing: there is no report with this number.
    """
    row = monitoring.read_report(platform.connection, platform.catalog.model, number)
    if row is None:
        raise SnapshotMissing(
            f"there is no report {number} of {platform.catalog.model}",
            state="",
            remedy="Run 'streamflow reports' to see the reports.",
        )
    stored, values = row
    return ReportRecord(stored=stored, report=from_values(values))
