"""monitor: compare a drop with the training data of the version in Production.

The report is stored, logged to MLflow and written as a page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamflow.core.data.instants import instant_of_day
from streamflow.core.monitoring.report import Report, from_values, to_values
from streamflow.files.monitor_page import render_page
from streamflow.files.text_files import write_text
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.steps.data.engine import open_step_engine
from streamflow.steps.data.frozen_checks import HasDigest, held_against_digests
from streamflow.steps.monitoring.monitor_inputs import (
    ReportInputs,
    collect_inputs,
    find_champion,
)
from streamflow.steps.monitoring.monitor_report import make_report
from streamflow.steps.observed import observed
from streamflow.steps.stages.announcements import announce_drift
from streamflow.steps.versions.recorded_version import platform_as_recorded
from streamflow.warehouse import ledger, monitoring
from streamflow.warehouse.monitoring import NewReport, StoredReport

if TYPE_CHECKING:
    from streamflow.models.monitor_runs import ReportRun


@dataclass(frozen=True, kw_only=True)
class MonitorReceipt(Receipt):
    """The verdict on a drop, and the report that it comes from.

    already   the same evidence was reported before, and that report is returned
    """

    model: str
    version: int
    as_of: date
    verdict: str
    fires: bool
    reasons: tuple[str, ...]
    report: Report
    id: int
    at: datetime
    mlflow_run_id: str
    already: bool
    out: Path


@observed("monitor")
def monitor(platform: Platform, as_of: datetime, *, out: Path | None = None) -> MonitorReceipt:
    """Report on the drop of `as_of`.

    For equal evidence the stored report is returned, and only its page is written again.

    Raises:
        VersionMissing: no version is in Production.
        SnapshotMissing: the drop is not frozen.
        NotRebuildable: the rows that the version was trained on cannot be rebuilt.
        SnapshotDamaged: the frozen rows are not the recorded ones.
    """
    champion = find_champion(platform)
    recorded_platform = platform_as_recorded(platform, champion.passport)
    with monitoring.lock_reports(platform.connection):
        inputs = collect_inputs(recorded_platform, champion, as_of)
        stored = monitoring.find_report(platform.connection, inputs.evidence.digest)
        report = from_values(stored[1]) if stored else _make_verified_report(inputs)
        platform.notify("drawing the page")
        html = render_page(report)
        verdict = stored[0] if stored else _store(platform, report, html)
    return MonitorReceipt(
        model=verdict.model,
        version=verdict.version,
        as_of=as_of.date(),
        verdict=verdict.verdict,
        fires=verdict.fires,
        reasons=verdict.reasons,
        report=report,
        id=verdict.id,
        at=verdict.at,
        mlflow_run_id=verdict.mlflow_run_id,
        already=stored is not None,
        out=_write_page(platform, html, as_of, out),
    )


def _make_verified_report(inputs: ReportInputs) -> Report:
    """Make a report, and hold the rows that it is made from against their digests."""
    read_revisions: list[HasDigest] = [*inputs.reference, *inputs.drop.sources]
    with held_against_digests(
        inputs.recorded_platform,
        read_revisions,
        state="No report was stored.",
        engine=open_step_engine(inputs.recorded_platform),
    ):
        return make_report(inputs)


def _store(platform: Platform, report: Report, html: str) -> StoredReport:
    """Log the report to MLflow and store it in PostgreSQL.

    Either both succeed, or the MLflow run is marked FAILED and no report is stored.
    """
    values = to_values(report)
    verdicts: list[StoredReport] = []
    run = _describe_run(report, values, html)

    def store(run_id: str) -> None:
        new_report = _new_report(report, run_id, values)
        with platform.connection.transaction():
            stored = monitoring.store_report(platform.connection, new_report)
            announce_drift(platform, stored)
        verdicts.append(stored)

    with ledger.lock_ledger_shared(platform.connection):
        platform.models.log_report(run, store)
    return verdicts[0]


def _describe_run(report: Report, values: dict[str, Any], html: str) -> ReportRun:
    """Return the MLflow run of a report, with its page and its `values` as files."""
    from streamflow.models.monitor_runs import ReportRun

    evidence = report.evidence
    return ReportRun(
        name=f"monitor {evidence.as_of} with version {evidence.version}",
        model=evidence.model,
        params={
            "as_of": str(evidence.as_of),
            "version": str(evidence.version),
            "verdict": report.verdict,
            "evidence": evidence.digest,
        },
        metrics=report.numbers,
        files={
            "report.html": html.encode(),
            "report.json": json.dumps(values, indent=2, ensure_ascii=False).encode(),
        },
    )


def _new_report(report: Report, run_id: str, values: dict[str, Any]) -> NewReport:
    """Return the row of the report table; `values` is the report as JSON values."""
    evidence = report.evidence
    return NewReport(
        as_of=instant_of_day(evidence.as_of),
        model=evidence.model,
        version=evidence.version,
        mlflow_run_id=run_id,
        evidence_digest=evidence.digest,
        fires=report.fires,
        verdict=report.verdict,
        reasons=report.reasons,
        auc=report.now.metrics.auc if report.now else None,
        auc_at_training=report.then.metrics.auc if report.then else None,
        positive_share=report.labels.current if report.labels else None,
        report=values,
    )


def _write_page(platform: Platform, html: str, as_of: datetime, out: Path | None) -> Path:
    """Write the page and return its path.

    An existing page is replaced, because it can always be made again from the stored report.
    """
    path = out or platform.home / "reports" / f"monitor_{as_of:%Y-%m-%d}.html"
    if out is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, html, replace=True)
    return path
