"""Write the page of a monitoring report as one HTML file.

The page needs neither a network nor a script, and no file beside it.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from streamflow.core.monitoring.bins import BinCounts
from streamflow.core.monitoring.drift import p_in_words
from streamflow.core.monitoring.report import Report, concept_in_words, labels_in_words
from streamflow.files import monitor_figures as figures

TEMPLATE = Path(__file__).with_name("monitor_page.html")
METRIC_TITLES = {
    "holdout_rows": "rows",
    "positives": "positives",
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "log_loss": "log loss",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
}


def render_page(report: Report) -> str:
    """Return the page as HTML: the same text for the same report."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"p": p_in_words, "percent": "{:.2%}".format}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    # Drifted features come first, then the largest PSI.
    features = sorted(report.features, key=lambda feature: (not feature.drifted, -feature.psi))
    return template.render(
        report=report,
        evidence=report.evidence,
        features=features,
        concept=concept_in_words(report.concept) if report.concept else "",
        labels=labels_in_words(report.labels) if report.labels else "",
        metrics=_tabulate_metrics(report),
        pictures=_draw_pictures(report),
        bars={feature.name: bars(feature.bins) for feature in report.features},
    )


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bin of a distribution, drawn as two bars.

    Attributes:
        start: Where the bin begins on the horizontal axis, from 0 to 100.
        width: The width of the bin on the same axis.
        reference: The height of the bar of the reference rows; the highest bar of all has 100.
        current: The height of the bar of the current rows.
    """

    name: str
    start: float
    width: float
    reference: float
    current: float


def bars(bins: BinCounts) -> list[Bar]:
    """Compute the bars of a distribution. The page draws them itself.

    To draw one picture for each feature would take most of the time of a report.

    >>> bins = BinCounts(names=("a", "missing"), reference=(3, 1), current=(2, 2))
    >>> [(bar.start, bar.reference, bar.current) for bar in bars(bins)]
    [(0.0, 100.0, 66.7), (50.0, 33.3, 66.7)]
    """
    reference_shares = _shares(bins.reference)
    current_shares = _shares(bins.current)
    highest = max(*reference_shares, *current_shares, 1e-9)
    width = 100 / len(bins.names)
    rows = zip(bins.names, reference_shares, current_shares, strict=True)
    return [
        Bar(
            name=name,
            start=round(position * width, 2),
            width=round(width, 2),
            reference=round(100 * reference / highest, 1),
            current=round(100 * current / highest, 1),
        )
        for position, (name, reference, current) in enumerate(rows)
    ]


def _shares(counts: tuple[int, ...]) -> list[float]:
    """Return the share of each count in the total; zeros when the total is 0."""
    total = max(sum(counts), 1)
    return [count / total for count in counts]


def _tabulate_metrics(report: Report) -> list[tuple[str, list[str]]]:
    """Return the title and the values of each line of the table of metrics.

    The columns are: at training, now, the answers that were given, and the answers for users that
    the version has not seen. A value that is missing is empty.
    """
    columns = [performance and performance.metrics for performance in (report.then, report.now)]
    if report.answers:
        columns += [report.answers.all, report.answers.unseen]
    else:
        columns += [None, None]
    table = []
    for name, title in METRIC_TITLES.items():
        values = [
            "" if metrics is None else _format_number(getattr(metrics, name)) for metrics in columns
        ]
        table.append((title, values))
    return table


def _format_number(value: float) -> str:
    """Write an integer with thousands separators, and a float with four decimals."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _draw_pictures(report: Report) -> dict[str, str]:
    """Draw the pictures that the report has data for, by caption."""
    pictures = {"PSI of each feature": figures.psi_of_all(report)}
    if report.then:
        roc = figures.roc_then_and_now(report.then, report.now)
        pictures["ROC on hold-out users"] = roc
        calibration = figures.calibration_then_and_now(report.then, report.now)
        pictures["Calibration on hold-out users"] = calibration
    return {caption: _embed(picture) for caption, picture in pictures.items()}


def _embed(picture: bytes) -> str:
    """Return a URL that holds the picture itself."""
    return f"data:image/png;base64,{b64encode(picture).decode()}"
