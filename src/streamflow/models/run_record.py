"""What is logged of one training: its parameters, metrics, tags, files and training set."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamflow.catalog import Feature
from streamflow.core.data.json_text import readable_json
from streamflow.core.statistics.metrics import HoldoutMetrics
from streamflow.core.statistics.threshold import format_threshold
from streamflow.core.training.background import Background
from streamflow.core.training.decision import Decision
from streamflow.core.training.default_costs import DefaultCost
from streamflow.core.versions.version_files import (
    DECISION,
    FEATURE_SCHEMA,
    MODEL,
    PASSPORT,
    digest_tags,
)
from streamflow.models.mlflow_model import feature_schema, signature_of
from streamflow.models.model_file import ModelDigests
from streamflow.models.model_selection import Candidate
from streamflow.models.system_metrics import SystemSamples

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from sklearn.pipeline import Pipeline

# The characters that MLflow allows for a dataset's digest. Ours is shortened to them; a tag has it
# in full length.
DIGEST_LIMIT = 36


@dataclass(frozen=True, kw_only=True)
class TrainingSetIdentity:
    """The training set as MLflow shows it. Its digest names its content.

    Attributes:
        months: of how many months it is.
    """

    name: str
    digest: str
    rows: int
    months: int = 1


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """All facts that are logged of one training.

    Attributes:
        kind: the kind of model that was trained.
        candidates: the kinds that it was chosen from. Each of them becomes a child run. Empty when
            the user named the kind.
        files: file name -> bytes of the figures and of all further files beside the model.
        forward: the metrics of a model of the months before; None where there is none.
        system_samples: the state of the machine during the training.
        passport: returns the content of passport.json. It is called with the digests of the model
            file, once this file is written.
    """

    pipeline: Pipeline
    kind: str
    candidates: Sequence[Candidate] = ()
    decision: Decision
    background: Background
    features: Sequence[Feature]
    feature_service: str
    training_set: TrainingSetIdentity
    as_of: datetime
    label_as_of: datetime
    known_at: datetime
    label_lead: int
    seed: int
    split_salt: str
    holdout_share: float
    metrics: HoldoutMetrics
    forward: HoldoutMetrics | None = None
    default_costs: Sequence[DefaultCost] = ()
    training_seconds: float
    files: Mapping[str, bytes] = field(default_factory=dict)
    system_samples: SystemSamples = field(default_factory=SystemSamples)
    passport: Callable[[ModelDigests], Mapping[str, Any]]

    @property
    def params(self) -> dict[str, str]:
        """Return every parameter of the run, with the hyperparameters of the estimator."""
        hyperparameters = self.pipeline.steps[-1][1].get_params()
        own_params = {
            "model": self.kind,
            "as_of": f"{self.as_of:%Y-%m-%d}",
            "label_as_of": f"{self.label_as_of:%Y-%m-%d}",
            "known_at": self.known_at.isoformat(),
            "label_lead": self.label_lead,
            "seed": self.seed,
            "split_salt": self.split_salt,
            "holdout_share": self.holdout_share,
            "threshold": format_threshold(self.decision.threshold),
            "threshold_rule": self.decision.rule,
            "feature_service": self.feature_service,
            "training_set_digest": self.training_set.digest,
        }
        if self.training_set.months > 1:
            own_params["months"] = self.training_set.months
        return {name: str(value) for name, value in {**hyperparameters, **own_params}.items()}

    @property
    def all_metrics(self) -> dict[str, float]:
        """Return every metric of the run."""
        metrics = {
            name: float(value)
            for name, value in asdict(self.metrics).items()
            if name != "threshold"
        }
        for cost in self.default_costs:
            metrics |= cost.metrics
        if self.forward:
            metrics |= {"forward_auc": self.forward.auc, "forward_brier": self.forward.brier}
        return {
            **metrics,
            "training_rows": float(self.training_set.rows),
            "training_seconds": self.training_seconds,
        }


@dataclass(frozen=True, kw_only=True)
class LoggedRun:
    """The run and the version that a training left in MLflow."""

    run_id: str
    version: int
    digests: ModelDigests
    passport_digest: str


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """The facts of a run that are logged to MLflow beside its files.

    Attributes:
        name: the name of the run.
        params: the parameters of the run.
        metrics: the metrics of the run.
        dataset: the training set, as MLflow's own dictionary of a dataset input.
        tags: the tags of the version.
    """

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    dataset: Mapping[str, Any]
    tags: Mapping[str, str]


def dataset_input(record: RunRecord) -> DatasetInput:
    """Return the training set by name and digest, as an input of the run.

    MLflow cannot load it: it is derived again from the frozen rows.
    """
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.entities import Dataset, DatasetInput, InputTag

    digest = record.training_set.digest
    command = f"training-set --as-of {record.as_of:%Y-%m-%d}"
    if record.training_set.months > 1:
        command += f" --months {record.training_set.months}"
    source = CodeDatasetSource(tags={"streamflow": command, "digest": digest})
    schema = signature_of(record.features).inputs
    dataset = Dataset(
        name=record.training_set.name,
        digest=digest[:DIGEST_LIMIT],
        source_type="code",
        source=source.to_json(),
        schema=json.dumps({"mlflow_colspec": schema.to_dict()}),
        profile=json.dumps({"num_rows": record.training_set.rows}),
    )
    tags = [InputTag("mlflow.data.context", "training"), InputTag("digest", digest)]
    return DatasetInput(dataset, tags)


def version_tags(record: RunRecord, digests: ModelDigests, passport_digest: str) -> dict[str, str]:
    """Return the tags of the version.

    A reader of the registry needs them, and the digests are checked before the model is loaded.
    """
    contents = {**record.files, DECISION.name: record.decision.content}
    return {
        "as_of": f"{record.as_of:%Y-%m-%d}",
        "feature_service": record.feature_service,
        MODEL.tag: digests.file,
        "content_digest": digests.content,
        PASSPORT.tag: passport_digest,
        "threshold": format_threshold(record.decision.threshold),
        **digest_tags(contents),
    }


def write_files(folder: Path, record: RunRecord, passport: bytes) -> None:
    """Write the files of the run that are stored beside the model to a new folder."""
    folder.mkdir()
    schema = {
        "feature_service": record.feature_service,
        "features": feature_schema(record.features),
    }
    (folder / PASSPORT.name).write_bytes(passport)
    (folder / FEATURE_SCHEMA.name).write_bytes(readable_json(schema, indent=2))
    (folder / DECISION.name).write_bytes(record.decision.content)
    for file_name, content in record.files.items():
        (folder / file_name).write_bytes(content)
