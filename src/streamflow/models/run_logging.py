"""Log the facts of a training to its run in MLflow, and to the model of the run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from streamflow.models.run_record import RunFacts

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

#: The constraint of MLflow's tables by which each training set is stored once in an experiment.
UNIQUE_TRAINING_SET = "dataset_pk"


def log_params(client: MlflowClient, run_id: str, facts: RunFacts) -> None:
    """Log the parameters and the training set of a run."""
    from mlflow.entities import Param

    params = [Param(name, value) for name, value in facts.params.items()]
    client.log_batch(run_id, params=params)
    log_training_set(client, run_id, facts.dataset)


def log_metrics(client: MlflowClient, run_id: str, model_id: str, facts: RunFacts) -> None:
    """Log the metrics of a run, which are those of its model on its training set, too."""
    from mlflow.entities import Metric

    logged_ms = get_time_ms()
    dataset = facts.dataset["dataset"]
    metrics = [
        Metric(
            name,
            value,
            logged_ms,
            0,
            model_id=model_id,
            dataset_name=dataset["name"],
            dataset_digest=dataset["digest"],
        )
        for name, value in facts.metrics.items()
    ]
    client.log_batch(run_id, metrics=metrics)


def describe_run(params: Mapping[str, str]) -> str:
    """Return the description of a run, which MLflow's pages show."""
    return (
        f"A model of the kind `{params['model']}`, trained on features as of {params['as_of']}"
        f" and labels of the drop of {params['label_as_of']}."
    )


def describe_version(facts: RunFacts) -> str:
    """Return the description of a version: its run, and how good it is on the hold-out."""
    auc, brier = facts.metrics["auc"], facts.metrics["brier"]
    return f"{describe_run(facts.params)} On the hold-out: AUC {auc:.3f}, Brier {brier:.3f}."


def log_training_set(client: MlflowClient, run_id: str, dataset: Mapping[str, Any]) -> None:
    """Log a training set as an input of a run.

    MLflow stores each training set once, and takes no lock for that. If two runs store the same
    one at the same time, one of them fails. Its second try finds what the first run has stored.

    Args:
        client: the connection to MLflow.
        run_id: the run.
        dataset: the training set, as MLflow's own dictionary of a dataset input.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.exceptions import MlflowException

    tags = [InputTag(key, value) for key, value in dataset["tags"].items()]
    inputs = [DatasetInput(Dataset(**dataset["dataset"]), tags)]
    try:
        client.log_inputs(run_id, inputs)
    except MlflowException as exc:
        if UNIQUE_TRAINING_SET not in str(exc):
            raise
        client.log_inputs(run_id, inputs)


def get_time_ms() -> int:
    """Return the time of logging, in milliseconds. It is MLflow's bookkeeping, not our input."""
    return int(time.time() * 1000)
