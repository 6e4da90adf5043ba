"""Draw the figures of a model as PNG bytes.

The same numbers give the same bytes: the file holds no date, and no global state plays a part.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from streamflow.core.data.counts import count_of
from streamflow.core.statistics.curves import (
    calibration_points,
    precision_recall_points,
    roc_points,
)
from streamflow.core.statistics.metrics import (
    Floats,
    Labels,
    auc,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE = "#1f5fa8"
REFERENCE = "#8a8a8a"
BARS = "#c9d8ea"
HISTOGRAM_EDGES = [i / 20 for i in range(21)]


def draw_roc(label: Labels, probability: Floats) -> bytes:
    """Draw the ROC curve: the true positive rate against the false positive rate."""
    figure, axes = square("false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", linewidth=1, label="chance")
    axes.plot(*roc_points(label, probability), color=CURVE, linewidth=2, label="model")
    axes.set_title(
        f"ROC on the hold-out: AUC = {auc(label, probability):.4f}, {count_of(len(label), 'row')}"
    )
    axes.legend(loc="lower right", frameon=False)
    return render_png(figure)


def draw_precision_recall(label: Labels, probability: Floats) -> bytes:
    """Draw precision against recall, and the precision that a random ranking has.

    A random ranking has the share of positives as its precision.
    """
    recall, precision = precision_recall_points(label, probability)
    recall_steps = recall - [0.0, *recall[:-1]]
    average_precision = float((precision * recall_steps).sum())
    share = float(label.astype(float).mean())
    figure, axes = square(
        "recall: share of the positives that the model finds",
        "precision: true positives / predicted positives",
    )
    axes.axhline(share, color=REFERENCE, linestyle="--", linewidth=1, label=f"chance: {share:.3f}")
    axes.plot(recall, precision, color=CURVE, linewidth=2, label="model")
    axes.set_title(f"Precision and recall: average precision = {average_precision:.4f}")
    axes.legend(loc="upper right", frameon=False)
    return render_png(figure)


def draw_calibration(label: Labels, probability: Floats) -> bytes:
    """Draw the observed share of positives against the predicted probability, over a histogram.

    The points are ten bins with equally many rows.
    """
    predicted, observed, rows = calibration_points(label, probability)
    brier = float(((probability - label.astype(float)) ** 2).mean())
    figure, axes = square(
        "predicted probability (mean of the bin)", "observed share of positives", right=0.75
    )
    counts = axes.twinx()
    counts.hist(probability, bins=HISTOGRAM_EDGES, color=BARS)
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
        label=f"model, bins of about {count_of(int(rows.mean()), 'row')}",
    )
    axes.set_title(f"Calibration on the hold-out: Brier score = {brier:.4f}")
    axes.legend(loc="upper left", frameon=False)
    return render_png(figure)


def square(x_name: str, y_name: str, *, right: float = 0.2) -> tuple[Figure, Axes]:
    """Make axes that go from 0 to 1 in both directions.

    Args:
        x_name: The name of the horizontal axis.
        y_name: The name of the vertical axis.
        right: The margin on the right, in inches.
    """
    figure, axes = empty(6.4, 5.2, right_margin=right)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x_name, ylabel=y_name)
    return figure, axes


def empty(
    width: float,
    height: float,
    *,
    left_margin: float = 0.75,
    right_margin: float = 0.2,
) -> tuple[Figure, Axes]:
    """Make empty axes on a new figure, without pyplot's global state.

    All sizes are in inches. Matplotlib's layouts would find the margins by drawing everything
    twice, so they are given here.

    Args:
        left_margin: The margin that tick labels and the name of the axis need on the left.
        right_margin: The same margin on the right.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110)
    FigureCanvasAgg(figure)
    axes_width = 1 - (left_margin + right_margin) / width
    axes_height = 1 - 1.0 / height
    axes = figure.add_axes((left_margin / width, 0.6 / height, axes_width, axes_height))
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def render_png(figure: Figure) -> bytes:
    """Return the figure as the bytes of a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = BytesIO()
    metadata: dict[str, Any] = {"Software": None}  # matplotlib would write its version
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)  # `empty` made it
    # `savefig` would draw everything twice.
    canvas.print_png(buffer, metadata=metadata)  # type: ignore[no-untyped-call]
    return buffer.getvalue()
