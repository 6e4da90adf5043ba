"""The pages about monitoring: the stored reports of drift, one report, and the skew by cause."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request, Response

from streamflow.console import formats, monitoring_tables
from streamflow.console.bar_charts import draw_bar_pairs
from streamflow.console.pages import Page, respond
from streamflow.console.requests import Below, Number
from streamflow.console.state import ConsoleState
from streamflow.console.tables import make_paging
from streamflow.core.monitoring.report import concept_in_words, labels_in_words
from streamflow.steps.monitoring.stored_reports import ReportRecord, list_reports, read_report

MONITORING = "/monitoring"
REPORTS_SHOWN = 24
FeatureName = Annotated[str, Query(max_length=200)]


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the pages to the application."""

    @app.get(MONITORING)
    def reports(request: Request, below: Below = None) -> Response:
        """List the stored reports, the newest first."""
        visitor = state.require(request)
        return respond(request, state, visitor, _list_page(state, below))

    @app.get("/monitoring/reports/{number}")
    def report(request: Request, number: Number) -> Response:
        """Show one report."""
        visitor = state.require(request)
        return respond(request, state, visitor, _report_page(state, number))

    @app.get("/monitoring/reports/{number}/feature")
    def feature(request: Request, number: Number, name: FeatureName) -> Response:
        """Show the distribution of one feature at training and in the drop."""
        visitor = state.require(request)
        return respond(request, state, visitor, _feature_page(state, number, name))


def _list_page(state: ConsoleState, below: int | None) -> Page:
    texts = state.texts
    with state.reading() as platform:
        receipt = list_reports(platform, below=below, limit=REPORTS_SHOWN)
    return Page(
        template="monitoring",
        title=texts.get("monitoring.title"),
        path=MONITORING,
        tables=(
            monitoring_tables.reports_table(texts, receipt),
            monitoring_tables.skew_table(texts, receipt),
        ),
        receipt=receipt,
        values={
            **make_paging([report.id for report in receipt.reports], below, REPORTS_SHOWN),
        },
    )


def _report_page(state: ConsoleState, number: int) -> Page:
    texts = state.texts
    with state.reading() as platform:
        record = read_report(platform, number)
    report = record.report
    return Page(
        template="report",
        title=texts.get("report.title", day=f"{report.evidence.as_of:%Y-%m-%d}"),
        path=MONITORING,
        tables=(
            monitoring_tables.features_table(texts, number, report),
            monitoring_tables.performance_table(texts, report),
            monitoring_tables.answers_table(texts, report),
        ),
        receipt=record,
        values={
            "record": record,
            "report": report,
            "labels": labels_in_words(report.labels) if report.labels else "",
            "concept": concept_in_words(report.concept) if report.concept else "",
            "facts": _count_rows(record),
        },
    )


def _feature_page(state: ConsoleState, number: int, name: str) -> Page:
    texts = state.texts
    with state.reading() as platform:
        record = read_report(platform, number)
    report = record.report
    feature = next((feature for feature in report.features if feature.name == name), None)
    if feature is None:
        raise HTTPException(status_code=404)
    pairs = [pair for _, _, _, pair in monitoring_tables.list_bins(feature)]
    description = texts.get("report.chart", feature=name)
    return Page(
        template="feature",
        title=texts.get("report.feature_title", feature=name),
        path=MONITORING,
        tables=(monitoring_tables.bins_table(texts, feature),),
        receipt=feature,
        values={
            "feature": feature,
            "chart": draw_bar_pairs(pairs, description),
            "facts": _count_rows(record),
            "number_of_report": number,
            "psi": formats.format_number(feature.psi, 4),
            "day_now": f"{report.evidence.as_of:%Y-%m-%d}",
        },
    )


def _count_rows(record: ReportRecord) -> dict[str, object]:
    """Return what the sentences above the tables name."""
    report = record.report
    return {
        "version": record.stored.version,
        "reference_day": f"{report.reference_as_of:%Y-%m-%d}",
        "reference_rows": formats.format_number(report.reference_rows),
        "rows": formats.format_number(report.rows),
        "drift_psi": report.evidence.drift_psi,
        "false_discovery": report.evidence.drift_false_discovery,
    }
