"""Log a report of `monitor` as an MLflow run, beside the runs of trainings. It has no model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from streamflow.models.run_tags import page_tags

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

# The tag of such a run. The run does not have the tag of a training, by which `prune` finds the
# runs to remove.
REPORT_TAG = "streamflow.monitor"

REPORT_DESCRIPTION = "A report of `streamflow monitor`. Its page is report.html."


@dataclass(frozen=True, kw_only=True)
class ReportRun:
    """The facts of a report that are logged to MLflow.

    Attributes:
        name: the name of the run.
        model: the name of the registered model.
        params: the parameters of the run.
        metrics: the metrics of the run.
        files: name -> content.
    """

    name: str
    model: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    files: Mapping[str, bytes]


def log_report(
    client: MlflowClient,
    report: ReportRun,
    *,
    experiment_id: str,
    on_stored: Callable[[str], None],
) -> str:
    """Log a report as a run, call `on_stored` with its id as the last step, and return the id.

    A failure or Ctrl-C, also within `on_stored`, marks the run FAILED or KILLED.
    """
    run_id: str = client.create_run(
        experiment_id,
        run_name=report.name,
        tags={REPORT_TAG: report.model, **page_tags("monitor", REPORT_DESCRIPTION)},
    ).info.run_id
    try:
        _log_contents(client, report, run_id)
        on_stored(run_id)
    except BaseException as exc:
        client.set_terminated(run_id, "FAILED" if isinstance(exc, Exception) else "KILLED")
        raise
    client.set_terminated(run_id, "FINISHED")
    return run_id


def _log_contents(client: MlflowClient, report: ReportRun, run_id: str) -> None:
    """Log the metrics, parameters and files of a report to its run."""
    from mlflow.entities import Metric, Param

    # The time of logging is MLflow's own bookkeeping, not an input of ours.
    logged_ms = int(time.time() * 1000)
    metrics = [Metric(name, value, logged_ms, 0) for name, value in report.metrics.items()]
    params = [Param(name, value) for name, value in report.params.items()]
    client.log_batch(run_id, metrics=metrics, params=params)
    with TemporaryDirectory() as folder:
        for name, content in report.files.items():
            Path(folder, name).write_bytes(content)
        client.log_artifacts(run_id, folder)
