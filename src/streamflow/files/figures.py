"""The figures of a model as PNG bytes: the same bytes for the same numbers (no date inside, no state outside)."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from streamflow.core.statistics.metrics import (
    Floats,
    Labels,
    auc,
    calibration_points,
    precision_recall_points,
    roc_points,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE, REFERENCE, BARS = "#1f5fa8", "#8a8a8a", "#c9d8ea"


def roc(label: Labels, probability: Floats) -> bytes:
    """True against false positive rate."""
    figure, axes = square("false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", linewidth=1, label="chance")
    axes.plot(*roc_points(label, probability), color=CURVE, linewidth=2, label="model")
    axes.set_title(f"ROC on the hold-out: AUC = {auc(label, probability):.4f}, {len(label):,} rows")
    axes.legend(loc="lower right", frameon=False)
    return png(figure)


def precision_recall(label: Labels, probability: Floats) -> bytes:
    """Precision against recall, over the share of positives that a random ranking has."""
    recall, precision = precision_recall_points(label, probability)
    gained = float((precision * (recall - [0.0, *recall[:-1]])).sum())  # average precision
    share = float(label.astype(float).mean())
    figure, axes = square(
        "recall: share of the positives that is found",
        "precision: share of the found that is positive",
    )
    axes.axhline(share, color=REFERENCE, linestyle="--", linewidth=1, label=f"chance: {share:.3f}")
    axes.plot(recall, precision, color=CURVE, linewidth=2, label="model")
    axes.set_title(f"Precision and recall: average precision = {gained:.4f}")
    axes.legend(loc="upper right", frameon=False)
    return png(figure)


def calibration(label: Labels, probability: Floats) -> bytes:
    """Observed share of positives against predicted probability, in ten equally filled bins, over the histogram."""
    predicted, observed, rows = calibration_points(label, probability)
    brier = float(((probability - label.astype(float)) ** 2).mean())
    figure, axes = square(
        "predicted probability (mean of the bin)", "observed share of positives", right=0.75
    )
    counts = axes.twinx()
    counts.hist(probability, bins=[i / 20 for i in range(21)], color=BARS)
    counts.set_ylim(0, counts.get_ylim()[1] * 3)  # the bars stay below the curve's legend
    counts.set_ylabel("rows")
    axes.set_zorder(counts.get_zorder() + 1)
    axes.patch.set_visible(False)
    axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", linewidth=1, label="perfect")
    axes.plot(
        predicted,
        observed,
        color=CURVE,
        linewidth=2,
        marker="o",
        label=f"model, bins of about {int(rows.mean()):,} rows",
    )
    axes.set_title(f"Calibration on the hold-out: Brier score = {brier:.4f}")
    axes.legend(loc="upper left", frameon=False)
    return png(figure)


def square(x: str, y: str, *, right: float = 0.2) -> tuple[Figure, Axes]:
    """Axes from 0 to 1."""
    figure, axes = empty(6.4, 5.2, right=right)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y)
    return figure, axes


def empty(
    width: float, height: float, *, left: float = 0.75, right: float = 0.2
) -> tuple[Figure, Axes]:
    """Axes on a figure of its own, without pyplot's global state.

    All in inches: `left` and `right` are what tick labels and names of axes need. Matplotlib's layouts would measure that by
    drawing everything twice.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes(
        (left / width, 0.6 / height, 1 - (left + right) / width, 1 - 1.0 / height)
    )
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def png(figure: Figure) -> bytes:
    """The figure's bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    out = BytesIO()
    metadata: dict[str, Any] = {"Software": None}  # matplotlib would write its version
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)  # `empty` made it
    canvas.print_png(out, metadata=metadata)  # type: ignore[no-untyped-call]  # savefig draws twice
    return out.getvalue()
