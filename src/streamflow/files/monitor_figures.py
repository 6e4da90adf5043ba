"""The figures of a monitoring report as PNG bytes: the same bytes for the same report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.core.drift import FeatureDrift
from streamflow.core.monitoring import Report
from streamflow.core.performance import Performance
from streamflow.files.figures import BARS, CURVE, REFERENCE, empty, png, square

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALARM = "#c0392b"


def psi_of_all(report: Report) -> bytes:
    """PSI of each feature beside the threshold, the largest on top."""
    features = sorted(report.features, key=lambda f: f.psi)
    figure, axes = empty(7.2, 0.9 + 0.28 * len(features))
    axes.barh([f.name for f in features], [f.psi for f in features], color=[ALARM if f.drifted else CURVE for f in features])
    axes.axvline(report.evidence.drift_psi, color=REFERENCE, linestyle="--", linewidth=1)
    axes.set_xlabel("PSI in nats; dashed: the setting drift_psi")
    return png(figure)


def distribution(feature: FeatureDrift) -> bytes:
    """The share of rows in each bin, in the reference and now."""
    bins = feature.bins
    figure, axes = empty(5.2, 2.6, layout=None)  # a layout that is computed takes as long as all else
    figure.subplots_adjust(left=0.12, right=0.98, top=0.9, bottom=0.36)
    for counts, offset, colour, name in ((bins.reference, -0.2, REFERENCE, "reference"), (bins.current, 0.2, CURVE, "now")):
        axes.bar([i + offset for i in range(len(counts))], [c / max(sum(counts), 1) for c in counts], 0.4, color=colour, label=name)
    axes.set_xticks(range(len(bins.names)), [n[:18] for n in bins.names], rotation=45, ha="right", fontsize=7)
    axes.set_ylabel("share of rows")
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))  # above the bars
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


def _both(axes: Axes, then: tuple[tuple[float, float], ...], now: tuple[tuple[float, float], ...] | None) -> None:
    axes.plot(*zip(*then, strict=True), color=BARS if now else CURVE, linewidth=2, label="at its training")
    if now:
        axes.plot(*zip(*now, strict=True), color=CURVE, linewidth=2, label="now")
