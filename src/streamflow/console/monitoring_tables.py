"""The tables of the pages about monitoring, made from stored reports."""

from __future__ import annotations

from datetime import UTC
from urllib.parse import quote_plus

from streamflow.console import formats
from streamflow.console.bar_charts import BarPair
from streamflow.console.drop_tables import day_of, instant_cell, number_cell
from streamflow.console.evidence_tables import metric_cell
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import Texts
from streamflow.core.monitoring.drift import FeatureDrift
from streamflow.core.monitoring.report import Report
from streamflow.core.monitoring.skew import CAUSES
from streamflow.steps.monitoring.stored_reports import ReportList

SHOWN_METRICS = ("auc", "average_precision", "brier", "f1", "accuracy", "recall")
SMALLEST_SHOWN_P = 1e-4


def reports_table(texts: Texts, receipt: ReportList) -> PageTable:
    """Make the table of the reports, the newest first."""
    columns = (
        PageColumn(name="report", title=texts.get("monitoring.report")),
        PageColumn(name="as_of", title=texts.get("monitoring.as_of")),
        PageColumn(name="version", title=texts.get("monitoring.version"), kind="number"),
        PageColumn(name="verdict", title=texts.get("monitoring.verdict")),
        PageColumn(name="reasons", title=texts.get("monitoring.reasons")),
        PageColumn(name="at", title=texts.get("monitoring.at")),
    )
    rows = []
    for report in receipt.reports:
        link = f"/monitoring/reports/{report.id}"
        cells = (
            Cell(report.id, texts.get("monitoring.report_number", number=report.id), link=link),
            Cell(day_of(report.as_of), moment=report.as_of),
            Cell(report.version),
            Cell(report.verdict, tone="up" if report.fires else "down"),
            Cell("; ".join(report.reasons)),
            instant_cell(report.at),
        )
        rows.append(cells)
    caption = texts.get("monitoring.reports")
    return PageTable(name="reports", caption=caption, columns=columns, rows=tuple(rows))


def skew_table(texts: Texts, receipt: ReportList) -> PageTable:
    """Make the table of what the newest runs of `skew` counted."""
    columns = [
        PageColumn(name="at", title=texts.get("monitoring.at")),
        PageColumn(name="sampled", title=texts.get("monitoring.sampled"), kind="number"),
        PageColumn(name="compared", title=texts.get("monitoring.compared"), kind="number"),
        *(
            PageColumn(name=cause, title=texts.get(f"monitoring.{cause}"), kind="number")
            for cause in CAUSES
        ),
        PageColumn(
            name="probabilities_differ",
            title=texts.get("monitoring.probabilities_differ"),
            kind="number",
        ),
    ]
    rows = [
        (
            Cell(counts.at, formats.format_instant(counts.at.astimezone(UTC))),
            number_cell(counts.sampled),
            number_cell(counts.compared),
            *(number_cell(getattr(counts, cause)) for cause in CAUSES),
            number_cell(counts.probabilities_differ),
        )
        for counts in receipt.skew
    ]
    caption = texts.get("monitoring.skew")
    return PageTable(name="skew", caption=caption, columns=tuple(columns), rows=tuple(rows))


def features_table(texts: Texts, number: int, report: Report) -> PageTable:
    """Make the table of the drift of each feature, the largest index first."""
    columns = (
        PageColumn(name="feature", title=texts.get("report.feature")),
        PageColumn(name="psi", title=texts.get("report.psi"), kind="number"),
        PageColumn(name="p_adjusted", title=texts.get("report.p_adjusted"), kind="number"),
        PageColumn(name="missing_then", title=texts.get("report.missing_then"), kind="number"),
        PageColumn(name="missing_now", title=texts.get("report.missing_now"), kind="number"),
        PageColumn(name="verdict", title=texts.get("report.verdict")),
        PageColumn(name="reasons", title=texts.get("report.reasons")),
    )
    features = sorted(report.features, key=lambda feature: -feature.psi)
    rows = tuple(_feature_row(texts, number, feature) for feature in features)
    caption = texts.get("report.features")
    return PageTable(name="features", caption=caption, columns=columns, rows=rows)


def feature_address(number: int, name: str) -> str:
    """Return the address of the page of a feature in a report."""
    return f"/monitoring/reports/{number}/feature?name={quote_plus(name)}"


def _feature_row(texts: Texts, number: int, feature: FeatureDrift) -> tuple[Cell, ...]:
    word = texts.get("report.drifted" if feature.drifted else "report.stable")
    missing = feature.missing
    return (
        Cell(feature.name, link=feature_address(number, feature.name)),
        metric_cell(feature.psi),
        p_cell(feature.distribution.p_adjusted),
        Cell(missing.reference, formats.format_percent(missing.reference, 1)),
        Cell(missing.current, formats.format_percent(missing.current, 1)),
        Cell(feature.drifted, word, tone="up" if feature.drifted else "down"),
        Cell("; ".join(feature.reasons)),
    )


def bins_table(texts: Texts, feature: FeatureDrift) -> PageTable:
    """Make the table of the bins of a feature, at training and in the drop."""
    columns = (
        PageColumn(name="bin", title=texts.get("report.bin")),
        PageColumn(name="rows_then", title=texts.get("report.rows_then"), kind="number"),
        PageColumn(name="share_then", title=texts.get("report.share_then"), kind="number"),
        PageColumn(name="rows_now", title=texts.get("report.rows_now"), kind="number"),
        PageColumn(name="share_now", title=texts.get("report.share_now"), kind="number"),
    )
    rows = []
    for name, reference_count, current_count, pair in list_bins(feature):
        cells = (
            Cell(name),
            number_cell(reference_count),
            Cell(pair.first, formats.format_percent(pair.first, 1)),
            number_cell(current_count),
            Cell(pair.second, formats.format_percent(pair.second, 1)),
        )
        rows.append(cells)
    caption = texts.get("report.distribution")
    return PageTable(name="bins", caption=caption, columns=columns, rows=tuple(rows))


def list_bins(feature: FeatureDrift) -> list[tuple[str, int, int, BarPair]]:
    """List the bins of a feature: name, rows at training, rows in the drop, and both shares."""
    bins = feature.bins
    shares_then, shares_now = bins.shares_of_rows
    pairs = [
        BarPair(name=name, first=first, second=second)
        for name, first, second in zip(bins.names, shares_then, shares_now, strict=True)
    ]
    return list(zip(bins.names, bins.reference, bins.current, pairs, strict=True))


def p_cell(value: float) -> Cell:
    """Make the cell of a p-value; a very small one is written as below a limit."""
    if value < SMALLEST_SHOWN_P:
        return Cell(value, f"< {SMALLEST_SHOWN_P:.4f}")
    return metric_cell(value)


def performance_table(texts: Texts, report: Report) -> PageTable:
    """Make the table of the quality on hold-out users, at training and in the drop."""
    columns = (
        PageColumn(name="metric", title=texts.get("version.metric")),
        PageColumn(name="training", title=texts.get("report.at_training"), kind="number"),
        PageColumn(name="drop", title=texts.get("report.in_drop"), kind="number"),
    )
    at_training = report.then.metrics if report.then else None
    in_drop = report.now.metrics if report.now else None
    rows = []
    if at_training or in_drop:
        for name in SHOWN_METRICS:
            cells = [
                metric_cell(getattr(metrics, name, None)) for metrics in (at_training, in_drop)
            ]
            rows.append((Cell(name), *cells))
    caption = texts.get("report.quality")
    return PageTable(name="quality", caption=caption, columns=columns, rows=tuple(rows))


def answers_table(texts: Texts, report: Report) -> PageTable:
    """Make the table of how correct the logged answers were, once their labels came."""
    columns = (
        PageColumn(name="metric", title=texts.get("version.metric")),
        PageColumn(name="labelled", title=texts.get("report.all_labelled"), kind="number"),
        PageColumn(name="unseen", title=texts.get("report.unseen_labelled"), kind="number"),
    )
    answers = report.answers
    rows: list[tuple[Cell, ...]] = []
    if answers is not None:
        users = (number_cell(answers.labelled), number_cell(answers.unseen_labelled))
        rows.append((Cell("users", texts.get("report.users")), *users))
        for name in SHOWN_METRICS:
            cells = [metric_cell(getattr(m, name, None)) for m in (answers.all, answers.unseen)]
            rows.append((Cell(name), *cells))
    caption = texts.get("report.answers")
    return PageTable(name="answers", caption=caption, columns=columns, rows=tuple(rows))
