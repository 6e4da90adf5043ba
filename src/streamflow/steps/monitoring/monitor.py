"""monitor: a drop held against what the version in Production was trained on: a report, stored, logged and drawn as a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from streamflow.core.data.instants import instant
from streamflow.core.monitoring.report import Report, from_values, to_values
from streamflow.files.monitor_page import page
from streamflow.files.text_files import write_text
from streamflow.platform import Platform
from streamflow.steps.monitoring.monitor_inputs import champion_of, look_at
from streamflow.steps.monitoring.monitor_report import made
from streamflow.steps.versions.recorded_version import as_recorded
from streamflow.warehouse import ledger, monitoring
from streamflow.warehouse.monitoring import NewReport, Verdict


@dataclass(frozen=True, kw_only=True)
class MonitorReceipt:
    """The verdict on a drop, and the report that it comes from. already: the same evidence was reported before."""

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


def monitor(
    platform: Platform,
    as_of: date,
    *,
    out: Path | None = None,
    notify: Callable[[str], None] = lambda _: None,
) -> MonitorReceipt:
    """Report on the drop of `as_of`; equal evidence gives the report that is stored, and only the page is written again.

    Raises VersionMissing, SnapshotMissing, and NotRebuildable when the rows that the version was trained on cannot be made again.
    """
    champion = champion_of(platform)
    then = as_recorded(platform, champion.passport)
    with monitoring.one_at_a_time(platform.connection):
        look = look_at(then, champion, as_of)
        found = monitoring.stored(platform.connection, look.evidence.digest)
        report = from_values(found[1]) if found else made(look, notify)
        notify("drawing the page")
        text = page(report)
        verdict = found[0] if found else _kept(platform, report, text)
    return MonitorReceipt(
        model=verdict.model,
        version=verdict.version,
        as_of=as_of,
        verdict=verdict.verdict,
        fires=verdict.fires,
        reasons=verdict.reasons,
        report=report,
        id=verdict.id,
        at=verdict.at,
        mlflow_run_id=verdict.mlflow_run_id,
        already=found is not None,
        out=_written(platform, text, as_of, out),
    )


def _kept(platform: Platform, report: Report, text: str) -> Verdict:
    """Log the report to MLflow and store it: both, or the run is marked FAILED and there is no report."""
    from streamflow.models.monitor_runs import ReportRun

    e, values, kept = report.evidence, to_values(report), list[Verdict]()
    run = ReportRun(
        name=f"monitor {e.as_of} with version {e.version}",
        model=e.model,
        params={
            "as_of": str(e.as_of),
            "version": str(e.version),
            "verdict": report.verdict,
            "evidence": e.digest,
        },
        metrics=report.numbers,
        files={
            "report.html": text.encode(),
            "report.json": json.dumps(values, indent=2, ensure_ascii=False).encode(),
        },
    )

    def store(run_id: str) -> None:
        new = NewReport(
            as_of=instant(e.as_of),
            model=e.model,
            version=e.version,
            mlflow_run_id=run_id,
            evidence_digest=e.digest,
            fires=report.fires,
            verdict=report.verdict,
            reasons=report.reasons,
            auc=report.now.metrics.auc if report.now else None,
            auc_at_training=report.then.metrics.auc if report.then else None,
            positive_share=report.labels.current if report.labels else None,
            report=values,
        )
        kept.append(monitoring.store(platform.connection, new))

    with ledger.together(platform.connection):
        platform.models.log_report(run, store)
    return kept[0]


def _written(platform: Platform, text: str, as_of: date, out: Path | None) -> Path:
    """The page's file; it is derived from what is stored, so that one which is there is replaced."""
    path = out or platform.home / "reports" / f"monitor_{as_of}.html"
    if out is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text, replace=True)
    return path
