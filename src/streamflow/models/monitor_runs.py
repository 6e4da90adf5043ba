"""A report of `monitor` in MLflow: a run beside those of trainings, which is no training and has no model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

REPORT = "streamflow.monitor"  # the tag of such a run; it lacks the one of a training, by which `prune` finds what to remove


@dataclass(frozen=True, kw_only=True)
class ReportRun:
    """What MLflow is told of a report. files: name -> content."""

    name: str
    model: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    files: Mapping[str, bytes]


def log_report(
    client: MlflowClient, report: ReportRun, *, experiment_id: str, stored: Callable[[str], None]
) -> str:
    """Log everything and call `stored` with the run's id as the last act; its id.

    A failure or Ctrl-C, there too, marks the run FAILED or KILLED.
    """
    from mlflow.entities import Metric, Param

    run_id: str = client.create_run(
        experiment_id, run_name=report.name, tags={REPORT: report.model}
    ).info.run_id
    try:
        now = int(
            time.time() * 1000
        )  # when it was logged: MLflow's own bookkeeping, no input of ours
        metrics = [Metric(name, value, now, 0) for name, value in report.metrics.items()]
        client.log_batch(
            run_id,
            metrics=metrics,
            params=[Param(name, value) for name, value in report.params.items()],
        )
        with TemporaryDirectory() as folder:
            for name, content in report.files.items():
                Path(folder, name).write_bytes(content)
            client.log_artifacts(run_id, folder)
        stored(run_id)
    except BaseException as exc:
        client.set_terminated(run_id, "FAILED" if isinstance(exc, Exception) else "KILLED")
        raise
    client.set_terminated(run_id, "FINISHED")
    return run_id
