"""Draw the figures of a monitoring report as PNG bytes: the same bytes for the same report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from streamflow.core.monitoring.performance import Performance
from streamflow.core.monitoring.report import Report
from streamflow.files.figures import BARS, CURVE, REFERENCE, empty, render_png, square

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALARM = "#c0392b"


def psi_of_all(report: Report) -> bytes:
    """Draw the PSI of each feature and the threshold, with the largest PSI on top."""
    features = sorted(report.features, key=lambda feature: feature.psi)
    longest_name = max((len(feature.name) for feature in features), default=0)
    left_margin = 0.3 + 0.09 * longest_name  # inches
    height = 1.2 + 0.28 * len(features)
    figure, axes = empty(left_margin + 5.2, height, left_margin=left_margin)
    axes.barh(
        [feature.name for feature in features],
        [feature.psi for feature in features],
        color=[ALARM if feature.drifted else CURVE for feature in features],
    )
    axes.axvline(report.evidence.drift_psi, color=REFERENCE, linestyle="--", linewidth=1)
    axes.set_xlabel("PSI in nats; dashed: the setting drift_psi")
    return render_png(figure)


def roc_then_and_now(training: Performance, current: Performance | None) -> bytes:
    """Draw the ROC curves on hold-out users: at the training of the version, and now."""
    figure, axes = square("false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", linewidth=1, label="chance")
    _plot_both(axes, training.roc, current.roc if current else None)
    axes.legend(loc="lower right", frameon=False)
    return render_png(figure)


def calibration_then_and_now(training: Performance, current: Performance | None) -> bytes:
    """Draw the observed share of positives against the predicted probability, then and now."""
    figure, axes = square("predicted probability (mean of the bin)", "observed share of positives")
    axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", linewidth=1, label="perfect")
    _plot_both(axes, training.calibration, current.calibration if current else None)
    axes.legend(loc="upper left", frameon=False)
    return render_png(figure)


def _plot_both(
    axes: Axes,
    training_points: Sequence[tuple[float, float]],
    current_points: Sequence[tuple[float, float]] | None,
) -> None:
    """Plot the curve of the training, and the current curve over it if there is one."""
    training_color = BARS if current_points else CURVE
    training_x, training_y = zip(*training_points, strict=True)
    axes.plot(training_x, training_y, color=training_color, linewidth=2, label="at its training")
    if current_points:
        current_x, current_y = zip(*current_points, strict=True)
        axes.plot(current_x, current_y, color=CURVE, linewidth=2, label="now")
