"""The page of a monitoring report: one HTML file that needs nothing beside it, neither a network nor a script."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from streamflow.core.monitoring.bins import Binned
from streamflow.core.monitoring.drift import p_in_words
from streamflow.core.monitoring.report import Report, concept_in_words, labels_in_words
from streamflow.files import monitor_figures as figures

TEMPLATE = Path(__file__).with_name("monitor_page.html")
METRICS = {
    "rows": "rows",
    "positives": "positives",
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "log_loss": "log loss",
    "f1": "F1",
    "accuracy": "accuracy",
}


def page(report: Report) -> str:
    """The HTML: the same text for the same report."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"p": p_in_words, "percent": "{:.2%}".format}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        r=report,
        e=report.evidence,
        features=sorted(report.features, key=lambda f: (not f.drifted, -f.psi)),
        concept=concept_in_words(report.concept) if report.concept else "",
        labels=labels_in_words(report.labels) if report.labels else "",
        metrics=_metrics(report),
        pictures=_pictures(report),
        bars={f.name: bars(f.bins) for f in report.features},
    )


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bin of a distribution, drawn as two bars: where it stands, from 0 to 100, and how high both are, the highest 100."""

    name: str
    left: float
    width: float
    reference: float
    current: float


def bars(bins: Binned) -> list[Bar]:
    """The bars of a distribution, which the page draws itself: a picture of each feature would take most of the time.

    >>> [(b.left, b.reference, b.current) for b in bars(Binned(names=("a", "missing"), reference=(3, 1), current=(2, 2)))]
    [(0.0, 100.0, 66.7), (50.0, 33.3, 66.7)]
    """
    sides = [
        [count / max(sum(counts), 1) for count in counts]
        for counts in (bins.reference, bins.current)
    ]
    highest, width = max(*sides[0], *sides[1], 1e-9), 100 / len(bins.names)
    return [
        Bar(
            name=name,
            left=round(i * width, 2),
            width=round(width, 2),
            reference=round(100 * reference / highest, 1),
            current=round(100 * current / highest, 1),
        )
        for i, (name, reference, current) in enumerate(zip(bins.names, *sides, strict=True))
    ]


def _metrics(report: Report) -> list[tuple[str, list[str]]]:
    """Name and values of each line of the table of metrics: at training, now, and of the answers that were given."""
    sides = [side and side.metrics for side in (report.then, report.now)]
    sides += [report.answers.all, report.answers.unseen] if report.answers else [None, None]
    return [
        (words, ["" if m is None else _number(getattr(m, name)) for m in sides])
        for name, words in METRICS.items()
    ]


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _pictures(report: Report) -> dict[str, str]:
    """Caption -> picture, of what is there."""
    found = {"PSI of each feature": figures.psi_of_all(report)}
    if report.then:
        found["ROC on hold-out users"] = figures.roc_then_and_now(report.then, report.now)
        found["Calibration on hold-out users"] = figures.calibration_then_and_now(
            report.then, report.now
        )
    return {caption: _inline(picture) for caption, picture in found.items()}


def _inline(picture: bytes) -> str:
    return f"data:image/png;base64,{b64encode(picture).decode()}"
