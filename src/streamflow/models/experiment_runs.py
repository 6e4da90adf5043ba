"""The runs of our experiment in MLflow: log them, read them and remove them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streamflow.core.statistics.old_metric_names import translate_old_metrics
from streamflow.models.experiment import ensure_experiment, ensure_registered_model
from streamflow.models.mlflow_client import translate_mlflow_errors
from streamflow.models.model_version import ModelVersion
from streamflow.models.system_metrics import without_system_metrics
from streamflow.models.version_search import search_versions_of_all_models

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from streamflow.models.monitor_runs import ReportRun
    from streamflow.models.run_record import LoggedRun, RunFacts, RunRecord
    from streamflow.models.run_retention import UnneededRun
    from streamflow.models.tracking import Registered


class ExperimentRuns:
    """The runs of one experiment, whose models are versions of one registered model.

    Args:
        connect: returns the connection to MLflow.
        name: the name of the registered model.
        experiment: the name of the experiment.
        artifact_root: where a new experiment stores its artifacts. None: MLflow decides.
    """

    def __init__(
        self,
        connect: Callable[[], MlflowClient],
        *,
        name: str,
        experiment: str,
        artifact_root: str | None,
    ) -> None:
        self._connect = connect
        self._name = name
        self._experiment = experiment
        self._artifact_root = artifact_root

    def log_run(self, record: RunRecord, registered: Registered) -> LoggedRun:
        """Log a training, register its version, then call `registered`.

        If a step fails, there is no version.
        """
        from streamflow.models.tracking import log_run

        with translate_mlflow_errors():
            experiment = self._ensure_experiment()
            ensure_registered_model(self._connect(), self._name)
            return log_run(
                self._connect(),
                record,
                experiment_id=experiment,
                name=self._name,
                on_registered=registered,
            )

    def log_copied_run(
        self,
        facts: RunFacts,
        package: Path,
        files: Path,
        registered: Registered,
    ) -> tuple[str, int]:
        """Log and register a run of a different installation, then call `registered`.

        If a step fails, there is no version.

        Returns:
            The run id and the number of the version.
        """
        from streamflow.models.tracking import log_copied_run

        with translate_mlflow_errors():
            experiment = self._ensure_experiment()
            ensure_registered_model(self._connect(), self._name)
            return log_copied_run(
                self._connect(),
                facts,
                package,
                files,
                experiment_id=experiment,
                name=self._name,
                registered=registered,
            )

    def log_report(self, report: ReportRun, on_stored: Callable[[str], None]) -> str:
        """Log a report of `monitor` as a run, then call `on_stored` with the run's id.

        If `on_stored` fails, the run is marked as failed.

        Returns:
            The run id.
        """
        from streamflow.models.monitor_runs import log_report

        with translate_mlflow_errors():
            experiment = self._ensure_experiment()
            return log_report(
                self._connect(),
                report,
                experiment_id=experiment,
                on_stored=on_stored,
            )

    def read_facts(self, version: ModelVersion) -> RunFacts:
        """Return the facts that were logged of the run of a version."""
        from streamflow.models.run_record import RunFacts

        with translate_mlflow_errors():
            run = self._connect().get_run(version.run_id)
        return RunFacts(
            name=run.info.run_name or "",
            params=dict(run.data.params),
            metrics=translate_old_metrics(without_system_metrics(run.data.metrics)),
            dataset=run.inputs.dataset_inputs[0].to_dictionary(),
            tags=dict(version.tags),
        )

    def list_registered(self) -> list[str]:
        """Return the ids of the runs that versions of any registered model come from."""
        with translate_mlflow_errors():
            versions = search_versions_of_all_models(self._connect())
            return [version.run_id for version in versions]

    def list_known(self, run_ids: Sequence[str]) -> list[str]:
        """Return those of these runs that this MLflow has, deleted ones included."""
        from streamflow.models.run_retention import is_known

        with translate_mlflow_errors():
            return [run_id for run_id in run_ids if is_known(self._connect(), run_id)]

    def list_unneeded(self, our_run_ids: Sequence[str]) -> list[UnneededRun]:
        """Return our ended runs that no version of any registered model comes from.

        Args:
            our_run_ids: runs that are ours, beside those with our tag.
        """
        from streamflow.models.run_retention import unneeded_runs

        with translate_mlflow_errors():
            experiment = self._connect().get_experiment_by_name(self._experiment)
            if experiment is None:
                return []
            return unneeded_runs(
                self._connect(),
                name=self._name,
                experiment_id=experiment.experiment_id,
                our_run_ids=our_run_ids,
            )

    def remove(self, run: UnneededRun) -> None:
        """Delete the files of a run, and mark the run and its models as deleted."""
        from streamflow.models.run_retention import remove_run

        with translate_mlflow_errors():
            remove_run(self._connect(), run)

    def _ensure_experiment(self) -> str:
        """Return the id of the experiment, which is created when it does not exist."""
        return ensure_experiment(
            self._connect(),
            self._experiment,
            artifact_root=self._artifact_root,
        )
