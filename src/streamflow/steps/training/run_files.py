"""The files that a training stores beside its model."""

from __future__ import annotations

from streamflow.core.statistics.metrics import Floats, Labels
from streamflow.core.training.honesty import HonestyReport
from streamflow.core.training.training_set import TrainingSet
from streamflow.core.versions.version_files import CALIBRATION, HONESTY, PRECISION_RECALL, ROC
from streamflow.files import figures
from streamflow.settings import Settings
from streamflow.steps.training.fit import Fitted


def collect_run_files(
    settings: Settings,
    rows: TrainingSet,
    fitted: Fitted,
    honesty: HonestyReport,
) -> dict[str, bytes]:
    """Return the files that are stored beside the model, by name."""
    files = {**fitted.files, HONESTY.name: honesty.content}
    if settings.train_figures:
        files |= _draw_figures(rows.labels[fitted.holdout], fitted.probability)
    return files


def _draw_figures(label: Labels, probability: Floats) -> dict[str, bytes]:
    """Return the figures of a version on its hold-out, by name of the file."""
    return {
        ROC.name: figures.draw_roc(label, probability),
        PRECISION_RECALL.name: figures.draw_precision_recall(label, probability),
        CALIBRATION.name: figures.draw_calibration(label, probability),
    }
