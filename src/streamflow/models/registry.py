"""The model registry: versions, their stages and aliases, and the way from a version to a predictor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from streamflow.core.training.background import FILE as BACKGROUND
from streamflow.core.training.decision import FILE as DECISION
from streamflow.core.training.stored_requests import FILE as PROBES
from streamflow.errors import ArtifactUntrusted, VersionMissing
from streamflow.models import model_file, stages
from streamflow.models.artifact_store import fetch
from streamflow.models.experiment import experiment_id
from streamflow.models.mlflow_client import (
    is_database,
    migrate_store,
    newest_schema,
    release_store,
    store_versions,
    translated,
)
from streamflow.models.model_version import ModelVersion, described

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient
    from sklearn.pipeline import Pipeline

    from streamflow.models.monitor_runs import ReportRun
    from streamflow.models.predictor import Predictor
    from streamflow.models.run_retention import UnneededRun
    from streamflow.models.stages import Standing
    from streamflow.models.tracking import LoggedRun, Registered, RunFacts, RunRecord


__all__ = ["ModelVersion", "Registry"]


class Registry:
    """One registered model in one MLflow, and the experiment of its runs.

    `artifact_root` is where a new experiment keeps its artifacts when MLflow is reached through its database; an MLflow
    server decides that itself.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        name: str,
        experiment: str = "streamflow",
        artifact_root: str | None = None,
    ) -> None:
        self._uri, self._name, self._experiment = tracking_uri, name, experiment
        self._artifact_root = artifact_root if is_database(tracking_uri) else None

    @cached_property
    def _client(self) -> MlflowClient:
        import mlflow

        with translated():
            if (
                mlflow.get_tracking_uri() != self._uri
            ):  # MLflow looks a version's logged model up in the process-wide store
                mlflow.set_tracking_uri(self._uri)
            return mlflow.MlflowClient(self._uri, registry_uri=self._uri)

    def close(self) -> None:
        """Let go of MLflow's connections; it opens new ones when it is asked again."""
        if is_database(self._uri) and "mlflow" in sys.modules:
            release_store(self._uri)

    def migrate(self) -> bool:
        """Bring MLflow's tables to what this MLflow needs; False when nothing was to be done. A server migrates itself."""
        if not is_database(self._uri):
            return False
        return migrate_store(self._uri, self._artifact_root or "./mlartifacts")

    def schema(self) -> tuple[str | None, str] | None:
        """The version of MLflow's tables and the one that this MLflow needs; None for a server, which sees to them itself."""
        return store_versions(self._uri) if is_database(self._uri) else None

    def needed_schema(self) -> str | None:
        """The version of MLflow's tables that this MLflow needs; None for a server, which sees to them itself."""
        return newest_schema() if is_database(self._uri) else None

    def log_run(self, record: RunRecord, registered: Registered = lambda *_: None) -> LoggedRun:
        """Log a training and register its version, then call `registered`: all of it, or no version."""
        from streamflow.models.tracking import log_run

        with translated():
            found = self._experiment_id()
            self._ensure_model()
            return log_run(
                self._client, record, experiment_id=found, name=self._name, registered=registered
            )

    def log_again(
        self, facts: RunFacts, package: Path, files: Path, registered: Registered
    ) -> tuple[str, int]:
        """Log and register what another installation logged: (run id, version). All of it, or no version."""
        from streamflow.models.tracking import log_again

        with translated():
            found = self._experiment_id()
            self._ensure_model()
            return log_again(
                self._client,
                facts,
                package,
                files,
                experiment_id=found,
                name=self._name,
                registered=registered,
            )

    def log_report(self, report: ReportRun, stored: Callable[[str], None]) -> str:
        """Log a report of `monitor` as a run of its own, then call `stored` with its id: both, or the run has failed."""
        from streamflow.models.monitor_runs import log_report

        with translated():
            return log_report(
                self._client, report, experiment_id=self._experiment_id(), stored=stored
            )

    def facts(self, version: ModelVersion) -> RunFacts:
        """What MLflow was told of the run of a version."""
        from streamflow.models.tracking import RunFacts

        with translated():
            run = self._client.get_run(version.run_id)
        return RunFacts(
            name=run.info.run_name or "",
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
            dataset=run.inputs.dataset_inputs[0].to_dictionary(),
            tags=dict(version.tags),
        )

    def fetch(self, version: ModelVersion, folder: Path) -> tuple[Path, Path]:
        """Fetch the whole MLflow model of a version, and the files beside it; where both are now. Raises ArtifactUntrusted."""
        what = f"the files of version {version.version} of {self._name} cannot be read"
        package = fetch(
            self._uri, folder / "model", what=what, artifact_uri=self._location(version)
        )
        files = fetch(self._uri, folder / "files", what=what, run_id=version.run_id)
        if not (package / model_file.FILE).is_file():
            raise ArtifactUntrusted(f"{what}: there is no {model_file.FILE}")
        return package, files

    def _location(self, version: ModelVersion) -> str:
        with translated():
            return str(
                self._client.get_model_version_download_uri(self._name, str(version.version))
            ).rstrip("/")

    def registered_runs(self) -> list[str]:
        """The runs that versions come from, of whatever registered model."""
        from streamflow.models.run_retention import versions_of_all

        with translated():
            return [v.run_id for v in versions_of_all(self._client)]

    def known_runs(self, run_ids: Sequence[str]) -> list[str]:
        """Those of these runs that this MLflow has, deleted ones included."""
        from streamflow.models.run_retention import is_known

        with translated():
            return [run_id for run_id in run_ids if is_known(self._client, run_id)]

    def unneeded_runs(self, ours: Sequence[str]) -> list[UnneededRun]:
        """The ended runs of ours, by tag or among `ours`, that no version of any registered model comes from."""
        from streamflow.models.run_retention import unneeded_runs

        with translated():
            found = self._client.get_experiment_by_name(self._experiment)
            if found is None:
                return []
            return unneeded_runs(
                self._client, name=self._name, experiment_id=found.experiment_id, ours=ours
            )

    def remove_run(self, run: UnneededRun) -> None:
        """Delete the files of a run, and mark it and its models as deleted."""
        from streamflow.models.run_retention import remove_run

        with translated():
            remove_run(self._client, run)

    def versions(self) -> list[ModelVersion]:
        """All versions, the newest first."""
        with translated():
            aliases = self._aliases()
            return [self._described(v, aliases) for v in self._raw()]

    def find(self, number: int) -> ModelVersion | None:
        """One version, if it is there."""
        with translated():
            there = (v for v in self._raw() if int(v.version) == number)
            return next((self._described(v, self._aliases()) for v in there), None)

    def version(self, number: int) -> ModelVersion:
        """One version. Raises VersionMissing."""
        with translated():
            there = {int(v.version): v for v in self._raw()}
            if number not in there:
                known = ", ".join(map(str, sorted(there))) or "none"
                raise VersionMissing(
                    f"{self._name} has no version {number}; there are: {known}", version=number
                )
            return self._described(there[number], self._aliases())

    def by_run(self, run_id: str) -> ModelVersion:
        """The version that a run registered. Raises VersionMissing."""
        with translated():
            found = [v for v in self._raw() if v.run_id == run_id]
            if not found:
                raise VersionMissing(
                    f"no version of {self._name} comes from the run '{run_id}'", run_id=run_id
                )
            return self._described(found[0], self._aliases())

    def run_file(self, run_id: str, name: str) -> bytes:
        """The bytes of a file that lies beside the model of a run. Raises ArtifactUntrusted when there is none."""
        _ = self._client  # sets the store that artifacts are looked up in
        with TemporaryDirectory() as folder:
            what = f"the run {run_id} has no {name}"
            return fetch(
                self._uri, Path(folder), what=what, run_id=run_id, artifact_path=name
            ).read_bytes()

    def put(self, number: int, stage: str) -> None:
        """Put a version into `stage` with the alias of that stage; what was there is archived. Doing it again repairs."""
        before = self.version(number)
        with translated():
            stages.put(self._client, self._name, number, stage, before.aliases)

    def standing(self) -> Standing:
        """What MLflow says of the stages, their aliases and the ledger's newest entry."""
        with translated():
            return stages.standing(self._client, self._name, self._raw())

    def set_alias(self, stage: str, number: int | None) -> None:
        """Let the alias of a stage name a version, or none."""
        with translated():
            stages.set_alias(self._client, self._name, stage, number)

    def set_head(self, head: str) -> None:
        """Tell MLflow of the newest entry of the ledger."""
        with translated():
            self._ensure_model()
            self._client.set_registered_model_tag(self._name, stages.HEAD, head)

    def download(self, version: ModelVersion, folder: Path) -> Path:
        """Fetch the version's model file into `folder` through MLflow's artifact store. Raises ArtifactUntrusted."""
        what = f"version {version.version} of {self._name} has no {model_file.FILE}"
        return fetch(
            self._uri,
            folder,
            what=what,
            artifact_uri=f"{self._location(version)}/{model_file.FILE}",
        )

    def load(self, version: ModelVersion) -> Predictor:
        """The predictor of a version, the digests of its files checked before they are parsed. Raises ArtifactUntrusted."""
        return self._loaded(version)[1]

    def load_tried(self, version: ModelVersion) -> Predictor:
        """The same, for one that is to answer: it has to answer its stored requests as its pipeline does, and did."""
        from streamflow.models.version_check import require_agreement

        pipeline, predictor = self._loaded(version)
        stored = self.run_file(version.run_id, PROBES)
        require_agreement(
            pipeline, predictor, stored, what=f"version {version.version} of {self._name}"
        )
        return predictor

    def _loaded(self, version: ModelVersion) -> tuple[Pipeline, Predictor]:
        from streamflow.models.predictor import compile_predictor

        missing = [tag for tag in ("model_digest", "decision_digest") if tag not in version.tags]
        if missing:
            raise ArtifactUntrusted(
                f"version {version.version} of {self._name} has no tag {', '.join(missing)}: this streamflow did not make it"
            )
        decision = model_file.load_decision(
            self.run_file(version.run_id, DECISION), expected_digest=version.tags["decision_digest"]
        )
        background = None
        if digest := version.tags.get("background_digest"):
            background = model_file.load_background(
                self.run_file(version.run_id, BACKGROUND), expected_digest=digest
            )
        with TemporaryDirectory() as folder:
            path = self.download(version, Path(folder))
            pipeline = model_file.load(path, expected_digest=version.tags["model_digest"])
        return pipeline, compile_predictor(pipeline, decision, background)

    def _raw(self) -> list[Any]:
        """MLflow's own versions of this model, the newest first."""
        found, token = [], None
        while True:
            page = self._client.search_model_versions(f"name = '{self._name}'", page_token=token)
            found += page
            token = page.token
            if not token:
                return sorted(found, key=lambda v: -int(v.version))

    def _aliases(self) -> dict[str, int]:
        """Alias -> version; MLflow's search leaves them out."""
        found = self._client.search_registered_models(f"name = '{self._name}'")
        return {alias: int(number) for model in found for alias, number in model.aliases.items()}

    def _described(self, found: Any, aliases: Mapping[str, int]) -> ModelVersion:
        return described(
            found, self._client.get_run(found.run_id).data.metrics if found.run_id else {}, aliases
        )

    def _experiment_id(self) -> str:
        return experiment_id(self._client, self._experiment, artifact_root=self._artifact_root)

    def _ensure_model(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(self._name)
        except MlflowException as exc:
            if exc.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
