"""One training as an MLflow run: parameters, metrics, figures, the training set, the passport, the model, and its version."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from streamflow.catalog import Feature
from streamflow.core.statistics.metrics import Metrics
from streamflow.core.training.background import FILE as BACKGROUND
from streamflow.core.training.decision import FILE, Decision
from streamflow.core.training.default_costs import DefaultCost
from streamflow.models.mlflow_model import (
    address_package,
    feature_schema,
    signature_of,
    write_package,
)
from streamflow.models.model_file import ModelDigests
from streamflow.models.model_selection import Candidate

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from mlflow.tracking import MlflowClient
    from sklearn.pipeline import Pipeline

DIGEST_LIMIT = (
    36  # characters that MLflow allows a dataset's digest: ours is cut, and whole in a tag
)


@dataclass(frozen=True, kw_only=True)
class TrainingSetName:
    """The training set as MLflow shows it: its digest names its content."""

    name: str
    digest: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """All that is logged of one training.

    kind       the kind of model that was trained
    candidates those that it was chosen from, each of them a child run; empty where it was asked for by name
    files      file name -> bytes: figures, and what else lies beside the model
    passport   called with the digests of the model's file, once it is written; the content of passport.json
    """

    pipeline: Pipeline
    kind: str
    candidates: Sequence[Candidate] = ()
    decision: Decision
    features: Sequence[Feature]
    feature_service: str
    training_set: TrainingSetName
    as_of: datetime
    label_as_of: datetime
    known_at: datetime
    label_lead: int
    seed: int
    split_salt: str
    holdout_share: float
    metrics: Metrics
    default_costs: Sequence[DefaultCost] = ()
    training_seconds: float
    files: Mapping[str, bytes] = field(default_factory=dict)
    passport: Callable[[ModelDigests], Mapping[str, Any]]

    @property
    def params(self) -> dict[str, str]:
        """Every parameter of the run, hyperparameters of the estimator included."""
        chosen = {
            "model": self.kind,
            "as_of": f"{self.as_of:%Y-%m-%d}",
            "label_as_of": f"{self.label_as_of:%Y-%m-%d}",
            "known_at": self.known_at.isoformat(),
            "label_lead": self.label_lead,
            "seed": self.seed,
            "split_salt": self.split_salt,
            "holdout_share": self.holdout_share,
            "threshold": self.decision.threshold,
            "threshold_rule": self.decision.rule,
            "feature_service": self.feature_service,
            "training_set_digest": self.training_set.digest,
        }
        hyperparameters = self.pipeline.steps[-1][1].get_params()
        return {name: str(value) for name, value in {**hyperparameters, **chosen}.items()}

    @property
    def scores(self) -> dict[str, float]:
        """Every metric of the run."""
        measured = {
            name: float(value)
            for name, value in asdict(self.metrics).items()
            if name != "threshold"
        }
        measured |= {
            name: value for cost in self.default_costs for name, value in cost.metrics.items()
        }
        return {
            **measured,
            "training_rows": float(self.training_set.rows),
            "training_seconds": self.training_seconds,
        }


@dataclass(frozen=True, kw_only=True)
class LoggedRun:
    """What a training left in MLflow."""

    run_id: str
    version: int
    digests: ModelDigests
    passport_digest: str


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What MLflow is told of a run beside its files.

    dataset   the training set as MLflow's own dictionary of a dataset input
    tags      of the version
    """

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    dataset: Mapping[str, Any]
    tags: Mapping[str, str]


Registered = Callable[
    [str, int, str], None
]  # (run id, version, digest of the passport), once the version is there
PARENT = "mlflow.parentRunId"  # MLflow's own tag of a child run
OURS = "streamflow.model"  # the tag of a run that we made: `prune` touches no other


def log_run(
    client: MlflowClient,
    record: RunRecord,
    *,
    experiment_id: str,
    name: str,
    registered: Registered,
) -> LoggedRun:
    """Log everything, register the version, and call `registered` as the last act.

    A failure or Ctrl-C, there too, marks the run FAILED or KILLED and leaves no version.
    """
    run_name = f"{name} as of {record.as_of:%Y-%m-%d}"
    with _run(client, experiment_id, run_name, name) as run_id, TemporaryDirectory() as scratch:
        package, files = Path(scratch, "model"), Path(scratch, "files")
        digests = write_package(record.pipeline, package, record.features)
        passport = canonical_json(record.passport(digests))
        _write_files(files, record, passport)
        facts = RunFacts(
            name=run_name,
            params=record.params,
            metrics=record.scores,
            dataset=dataset_input(record).to_dictionary(),
            tags=version_tags(record, digests, sha256(passport).hexdigest()),
        )
        for tried in record.candidates:
            _log_candidate(client, tried, experiment_id=experiment_id, parent=run_id, name=name)
        version = _register(
            client, facts, package, files, experiment_id=experiment_id, run_id=run_id, name=name
        )
        registered(run_id, version, facts.tags["passport_digest"])
    return LoggedRun(
        run_id=run_id,
        version=version,
        digests=digests,
        passport_digest=facts.tags["passport_digest"],
    )


def log_again(
    client: MlflowClient,
    facts: RunFacts,
    package: Path,
    files: Path,
    *,
    experiment_id: str,
    name: str,
    registered: Registered,
) -> tuple[str, int]:
    """Log and register what another installation logged, as a run and a version of here: (run id, version)."""
    with _run(client, experiment_id, facts.name, name) as run_id:
        version = _register(
            client, facts, package, files, experiment_id=experiment_id, run_id=run_id, name=name
        )
        registered(run_id, version, facts.tags["passport_digest"])
    return run_id, version


def _register(
    client: MlflowClient,
    facts: RunFacts,
    package: Path,
    files: Path,
    *,
    experiment_id: str,
    run_id: str,
    name: str,
) -> int:
    """Log facts, files and the model, and register the version as the last act; its number."""
    _log_facts(client, run_id, facts)
    client.log_artifacts(run_id, str(files))
    model_id = _upload_model(
        client, package, experiment_id=experiment_id, run_id=run_id, params=facts.params, name=name
    )
    client.set_terminated(run_id, "FINISHED")
    made = client.create_model_version(
        name,
        f"models:/{model_id}",
        run_id,
        tags=dict(facts.tags),
        model_id=model_id,
        await_creation_for=0,
    )
    link = json.dumps([{"name": name, "version": int(made.version)}])
    client.set_logged_model_tags(
        model_id, {"mlflow.modelVersions": link}
    )  # MLflow's page of the model shows it
    return int(made.version)


def _log_candidate(
    client: MlflowClient, tried: Candidate, *, experiment_id: str, parent: str, name: str
) -> None:
    """A kind of model that was cross-validated, as a child run: AUC of each repeat as steps of one metric, and their mean."""
    from mlflow.entities import Metric, Param

    tags = {OURS: name, PARENT: parent}
    run_id = client.create_run(
        experiment_id, run_name=f"candidate {tried.kind}", tags=tags
    ).info.run_id
    now = int(time.time() * 1000)
    metrics = [Metric("cross_validated_auc", auc, now, step) for step, auc in enumerate(tried.aucs)]
    client.log_batch(
        run_id, [*metrics, Metric("mean_auc", tried.auc, now, 0)], [Param("model", tried.kind)]
    )
    client.set_terminated(run_id, "FINISHED")


@contextmanager
def _run(client: MlflowClient, experiment_id: str, run_name: str, name: str) -> Iterator[str]:
    """A run that ends as what became of it."""
    run_id: str = client.create_run(experiment_id, run_name=run_name, tags={OURS: name}).info.run_id
    try:
        yield run_id
    except BaseException as exc:
        for version in client.search_model_versions(f"run_id = '{run_id}'"):
            client.delete_model_version(version.name, version.version)
        client.set_terminated(run_id, "FAILED" if isinstance(exc, Exception) else "KILLED")
        raise


def _log_facts(client: MlflowClient, run_id: str, facts: RunFacts) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    now = int(time.time() * 1000)  # when it was logged: MLflow's own bookkeeping, no input of ours
    metrics = [Metric(name, value, now, 0) for name, value in facts.metrics.items()]
    client.log_batch(
        run_id, metrics=metrics, params=[Param(name, value) for name, value in facts.params.items()]
    )
    tags = [InputTag(key, value) for key, value in facts.dataset["tags"].items()]
    client.log_inputs(run_id, [DatasetInput(Dataset(**facts.dataset["dataset"]), tags)])


def dataset_input(record: RunRecord) -> DatasetInput:
    """The training set by name and digest; it has no resolver, for it is re-derived from the frozen rows."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.entities import Dataset, DatasetInput, InputTag

    whole = record.training_set.digest
    source = CodeDatasetSource(
        tags={"streamflow": f"training-set --as-of {record.as_of:%Y-%m-%d}", "digest": whole}
    )
    schema = signature_of(record.features).inputs
    dataset = Dataset(
        name=record.training_set.name,
        digest=whole[:DIGEST_LIMIT],
        source_type="code",
        source=source.to_json(),
        schema=json.dumps({"mlflow_colspec": schema.to_dict()}),
        profile=json.dumps({"num_rows": record.training_set.rows}),
    )
    return DatasetInput(
        dataset, [InputTag("mlflow.data.context", "training"), InputTag("digest", whole)]
    )


def _upload_model(
    client: MlflowClient,
    package: Path,
    *,
    experiment_id: str,
    run_id: str,
    params: Mapping[str, str],
    name: str,
) -> str:
    """Upload the MLflow model as an output of the run; its id."""
    from mlflow.entities import LoggedModelOutput

    logged = client.create_logged_model(
        experiment_id, name=name, source_run_id=run_id, params=dict(params)
    )
    try:
        address_package(
            package, model_id=logged.model_id, run_id=run_id, location=logged.artifact_location
        )
        client.log_model_artifacts(logged.model_id, str(package))
    except BaseException:
        client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    model_id: str = logged.model_id
    return model_id


def _write_files(folder: Path, record: RunRecord, passport: bytes) -> None:
    """The artifacts of the run beside the model."""
    folder.mkdir()
    (folder / "passport.json").write_bytes(passport)
    (folder / "feature_schema.json").write_bytes(
        canonical_json(
            {"feature_service": record.feature_service, "features": feature_schema(record.features)}
        )
    )
    (folder / FILE).write_bytes(record.decision.content)
    for file_name, data in record.files.items():
        (folder / file_name).write_bytes(data)


def version_tags(record: RunRecord, digests: ModelDigests, passport_digest: str) -> dict[str, str]:
    """What a reader of the registry needs, and what is checked before the model is loaded."""
    return {
        "as_of": f"{record.as_of:%Y-%m-%d}",
        "feature_service": record.feature_service,
        "model_digest": digests.file,
        "content_digest": digests.content,
        "passport_digest": passport_digest,
        "decision_digest": record.decision.digest,
        "threshold": repr(record.decision.threshold),
        **(
            {"background_digest": sha256(background).hexdigest()}
            if (background := record.files.get(BACKGROUND))
            else {}
        ),
    }


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """The same bytes for the same value.

    >>> print(canonical_json({"b": 1, "a": None}).decode(), end="")
    {
      "a": null,
      "b": 1
    }
    """
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
