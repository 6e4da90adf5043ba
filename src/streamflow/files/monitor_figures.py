"""The figures of a monitoring report as PNG bytes: the same bytes for the same report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.core.monitoring.performance import Performance
from streamflow.core.monitoring.report import Report
from streamflow.files.figures import BARS, CURVE, REFERENCE, empty, png, square

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALARM = "#c0392b"


def psi_of_all(report: Report) -> bytes:
    """PSI of each feature beside the threshold, the largest on top."""
    features = sorted(report.features, key=lambda f: f.psi)
    names = 0.3 + 0.09 * max((len(f.name) for f in features), default=0)
    figure, axes = empty(names + 5.2, 1.2 + 0.28 * len(features), left=names)
    axes.barh(
        [f.name for f in features],
        [f.psi for f in features],
        color=[ALARM if f.drifted else CURVE for f in features],
    )
    axes.axvline(report.evidence.drift_psi, color=REFERENCE, linestyle="--", linewidth=1)
    axes.set_xlabel("PSI in nats; dashed: the setting drift_psi")
    return png(figure)


def roc_then_and_now(then: Performance, now: Performance | None) -> bytes:
    """Both ROC curves of the version on hold-out users."""
    figure, axes = square("false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", linewidth=1, label="chance")
    _both(axes, then.roc, now.roc if now else None)
    axes.legend(loc="lower right", frameon=False)
    return png(figure)


def calibration_then_and_now(then: Performance, now: Performance | None) -> bytes:
    """Observed share of positives against predicted probability, then and now."""
    figure, axes = square("predicted probability (mean of the bin)", "observed share of positives")
    axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", linewidth=1, label="perfect")
    _both(axes, then.calibration, now.calibration if now else None)
    axes.legend(loc="upper left", frameon=False)
    return png(figure)


def _both(
    axes: Axes, then: tuple[tuple[float, float], ...], now: tuple[tuple[float, float], ...] | None
) -> None:
    axes.plot(
        *zip(*then, strict=True), color=BARS if now else CURVE, linewidth=2, label="at its training"
    )
    if now:
        axes.plot(*zip(*now, strict=True), color=CURVE, linewidth=2, label="now")
