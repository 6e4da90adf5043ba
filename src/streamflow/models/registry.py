"""The model registry: the versions of one registered model, their stages, aliases and runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from streamflow.models import stages
from streamflow.models.experiment import ensure_registered_model, keep_private
from streamflow.models.experiment_runs import ExperimentRuns
from streamflow.models.mlflow_client import (
    is_database,
    migrate_store,
    newest_schema,
    release_store,
    release_tracking_uri,
    shorten_retries,
    store_versions,
    translate_mlflow_errors,
)
from streamflow.models.model_version import ModelVersion
from streamflow.models.registry_reader import RegistryReader
from streamflow.models.registry_repair import find_problems, undo
from streamflow.models.registry_tables import RegistryTables
from streamflow.models.version_files import VersionFiles

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from streamflow.core.training.decision import Decision
    from streamflow.core.versions.version_files import VersionFile
    from streamflow.models.monitor_runs import ReportRun
    from streamflow.models.predictor import Predictor
    from streamflow.models.run_record import LoggedRun, RunFacts, RunRecord
    from streamflow.models.run_retention import UnneededRun
    from streamflow.models.stages import RegistryStages
    from streamflow.models.tracking import Registered
    from streamflow.models.trial_process import TrialProcess


__all__ = ["ModelVersion", "Registry"]


class Registry:
    """One registered model in one MLflow, and the experiment of its runs.

    Args:
        tracking_uri: the address of MLflow, a database or a server.
        name: the name of the registered model.
        experiment: the name of the experiment.
        artifact_root: where a new experiment stores its artifacts, if MLflow is a database. An
            MLflow server decides this itself.
        tables: MLflow's database, if it is ours and may be read without MLflow.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        name: str,
        experiment: str = "streamflow",
        artifact_root: str | None = None,
        tables: RegistryTables | None = None,
    ) -> None:
        self._uri = tracking_uri
        self._name = name
        self._experiment = experiment
        self._artifact_root = artifact_root if is_database(tracking_uri) else None
        self._reader = RegistryReader(lambda: self._client, name=name, tables=tables)
        self._files = VersionFiles(
            tracking_uri,
            name=name,
            connect=lambda: self._client,
            tables=tables,
        )
        self._runs = ExperimentRuns(
            lambda: self._client,
            name=name,
            experiment=experiment,
            artifact_root=self._artifact_root,
        )

    @property
    def _client(self) -> MlflowClient:
        """The connection to MLflow, opened when it is first needed.

        MLflow looks up the logged model of a new version in the store of the whole process, which a
        different installation or the user may have changed since the last call.
        """
        import mlflow

        client = self._opened_client
        if mlflow.get_tracking_uri() != self._uri:
            mlflow.set_tracking_uri(self._uri)
        return client

    @cached_property
    def _opened_client(self) -> MlflowClient:
        import mlflow

        with translate_mlflow_errors():
            if is_database(self._uri):
                shorten_retries()
            return mlflow.MlflowClient(self._uri, registry_uri=self._uri)

    def close(self) -> None:
        """Close MLflow's database connections. MLflow opens new ones when they are needed.

        MLflow's own functions in this process no longer use this store, unless the environment
        names it.
        """
        release_tracking_uri(self._uri)
        if is_database(self._uri):
            release_store(self._uri)

    def migrate(self) -> bool:
        """Migrate MLflow's tables to the installed MLflow. An MLflow server migrates itself.

        Returns:
            False when there was nothing to do.
        """
        if not is_database(self._uri):
            return False
        keep_private(self._artifact_root)
        return migrate_store(self._uri, self._artifact_root or "./mlartifacts")

    def schema_versions(self) -> tuple[str | None, str] | None:
        """Return the version of MLflow's tables, and the one that the installed MLflow needs.

        The result is None for an MLflow server, which manages its tables itself.
        """
        return store_versions(self._uri) if is_database(self._uri) else None

    def required_schema(self) -> str | None:
        """Return the version of MLflow's tables that the installed MLflow needs.

        The result is None for an MLflow server, which manages its tables itself.
        """
        return newest_schema() if is_database(self._uri) else None

    def log_run(self, record: RunRecord, on_registered: Registered = lambda *_: None) -> LoggedRun:
        """Log a training and register its version: see `ExperimentRuns.log_run`."""
        return self._runs.log_run(record, on_registered)

    def log_copied_run(
        self,
        facts: RunFacts,
        package: Path,
        files: Path,
        on_registered: Registered,
    ) -> tuple[str, int]:
        """Log and register a copied run: see `ExperimentRuns.log_copied_run`."""
        return self._runs.log_copied_run(facts, package, files, on_registered)

    def log_report(self, report: ReportRun, on_stored: Callable[[str], None]) -> str:
        """Log a report of `monitor` as a run: see `ExperimentRuns.log_report`."""
        return self._runs.log_report(report, on_stored)

    def read_run_facts(self, version: ModelVersion) -> RunFacts:
        """Return the facts that were logged of the run of a version."""
        return self._runs.read_facts(version)

    def registered_runs(self) -> list[str]:
        """Return the ids of the runs that versions of any registered model come from."""
        return self._runs.list_registered()

    def known_runs(self, run_ids: Sequence[str]) -> list[str]:
        """Return those of these runs that this MLflow has, deleted ones included."""
        return self._runs.list_known(run_ids)

    def unneeded_runs(self, our_run_ids: Sequence[str]) -> list[UnneededRun]:
        """Return our ended runs that no version comes from: see `ExperimentRuns.list_unneeded`."""
        return self._runs.list_unneeded(our_run_ids)

    def remove_run(self, run: UnneededRun) -> None:
        """Delete the files of a run, and mark the run and its models as deleted."""
        self._runs.remove(run)

    def describe_problems(self) -> list[str]:
        """Describe what separates our versions from their names: see `RegistryProblems`."""
        with translate_mlflow_errors():
            problems = find_problems(self._client, self._name, self._experiment)
        return problems.describe(self._name, self._experiment)

    def undo_problems(self) -> list[str]:
        """Undo what `describe_problems` describes, and return what was done, in words."""
        with translate_mlflow_errors():
            problems = find_problems(self._client, self._name, self._experiment)
            return undo(self._client, self._name, problems)

    def versions(self, *, below: int | None = None, limit: int | None = None) -> list[ModelVersion]:
        """Return all versions, the newest first, or a page of them: see `RegistryReader`."""
        return self._reader.versions(below=below, limit=limit)

    def find_version(self, number: int) -> ModelVersion | None:
        """Return a version, or None when it does not exist."""
        return self._reader.find_version(number)

    def version(self, number: int) -> ModelVersion:
        """Return the version of this number. Raise VersionMissing if it does not exist."""
        return self._reader.version(number)

    def version_of_run(self, run_id: str) -> ModelVersion:
        """Return the version that a run registered. Raise VersionMissing if there is none."""
        return self._reader.version_of_run(run_id)

    def fetch_files(self, version: ModelVersion, folder: Path) -> tuple[Path, Path]:
        """Download a version: see `VersionFiles.fetch`."""
        return self._files.fetch(version, folder)

    def fetch_package(self, version: ModelVersion, folder: Path) -> Path:
        """Download the MLflow model of a version: see `VersionFiles.fetch_package`."""
        return self._files.fetch_package(version, folder)

    def read_run_file(self, run_id: str, name: str) -> bytes:
        """Return a file beside the model of a run: see `VersionFiles.read_run_file`."""
        return self._files.read_run_file(run_id, name)

    def read_version_file(self, version: ModelVersion, name: str) -> bytes:
        """Return a file of a version: see `VersionFiles.read_version_file`."""
        return self._files.read_version_file(version, name)

    def move_to_stage(self, number: int, stage: str) -> None:
        """Move a version to a stage, and set the alias of this stage to it.

        A different version in the stage is archived. A repeated call repairs an incomplete one.
        """
        version = self.version(number)
        with translate_mlflow_errors():
            stages.move_to_stage(self._client, self._name, number, stage, version.aliases)

    def read_stages(self) -> RegistryStages:
        """Return what MLflow stores about stages, their aliases and the newest ledger entry."""
        return self._reader.read_stages()

    def set_alias(self, stage: str, number: int | None) -> None:
        """Set the alias of a stage to a version, or delete the alias when `number` is None."""
        with translate_mlflow_errors():
            stages.set_alias(self._client, self._name, stage, number)

    def set_ledger_head(self, head: str) -> None:
        """Record the newest entry of the ledger in MLflow."""
        with translate_mlflow_errors():
            ensure_registered_model(self._client, self._name)
            self._client.set_registered_model_tag(self._name, stages.LEDGER_HEAD_TAG, head)

    def read_registered(
        self, version: ModelVersion, file: VersionFile, digests: Mapping[VersionFile, str]
    ) -> bytes:
        """Return a file with a known digest: see `VersionFiles.read_registered`."""
        return self._files.read_registered(version, file, digests)

    def load(
        self,
        version: ModelVersion,
        digests: Mapping[VersionFile, str],
        *,
        decision: Decision | None = None,
    ) -> Predictor:
        """Load the predictor of a version: see `VersionFiles.load`."""
        return self._files.load(version, digests, decision=decision)

    def load_checked(
        self,
        version: ModelVersion,
        digests: Mapping[VersionFile, str],
        *,
        trial: TrialProcess | None = None,
        as_arrays: bool = False,
    ) -> Predictor:
        """Load a predictor that is going to answer users: see `VersionFiles.load_checked`."""
        return self._files.load_checked(version, digests, trial=trial, as_arrays=as_arrays)
