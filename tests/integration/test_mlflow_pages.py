"""What MLflow's own pages show of a training: read through MLflow's client, as the pages do."""

from __future__ import annotations

import getpass

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
from support.states import JANUARY_TRAINED

from streamflow.models.experiment import KIND_TAG, MODEL_TRAINING, ensure_experiment
from streamflow.models.system_metrics import PREFIX, without_system_metrics
from streamflow.platform import Platform

pytestmark = pytest.mark.state(JANUARY_TRAINED)


@pytest.fixture
def client(platform: Platform) -> MlflowClient:
    return MlflowClient(platform.tracking_uri, registry_uri=platform.tracking_uri)


@pytest.fixture
def experiment(platform: Platform, client: MlflowClient) -> Experiment:
    found = client.get_experiment_by_name(platform.settings.experiment)
    assert found is not None
    return found


@pytest.fixture
def run(platform: Platform, client: MlflowClient) -> Run:
    version = client.get_model_version(platform.catalog.model, "1")
    assert version.run_id is not None
    return client.get_run(version.run_id)


def test_the_experiment_opens_as_the_training_of_models(
    platform: Platform, client: MlflowClient, experiment: Experiment
) -> None:
    """Also one that an earlier release made; a choice that the user made on the page is kept."""
    assert experiment.tags[KIND_TAG] == MODEL_TRAINING
    client.delete_experiment_tag(experiment.experiment_id, KIND_TAG)
    for before, after in ((None, MODEL_TRAINING), ("genai_development", "genai_development")):
        if before is not None:
            client.set_experiment_tag(experiment.experiment_id, KIND_TAG, before)
        ensure_experiment(client, experiment.name, artifact_root=None)
        assert client.get_experiment(experiment.experiment_id).tags[KIND_TAG] == after


def test_a_run_has_its_user_its_source_and_its_description(
    platform: Platform, client: MlflowClient, run: Run
) -> None:
    tags = run.data.tags
    assert run.info.user_id == tags["mlflow.user"] == getpass.getuser()
    assert tags["mlflow.source.name"] == "streamflow train"
    assert tags["mlflow.source.type"] == "JOB"
    description = tags["mlflow.note.content"]
    assert description.startswith("A model of the kind `baseline`, trained on features as of 2024")
    version = client.get_model_version(platform.catalog.model, "1")
    assert version.description == (
        f"{description} On the hold-out: AUC {run.data.metrics['auc']:.3f},"
        f" Brier {run.data.metrics['brier']:.3f}."
    )
    model = client.get_registered_model(platform.catalog.model)
    assert "streamflow promote" in str(model.description)


def test_the_logged_model_has_the_metrics_of_the_run_on_its_training_set(
    client: MlflowClient, run: Run
) -> None:
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    (dataset,) = [found.dataset for found in run.inputs.dataset_inputs]
    of_the_model = without_system_metrics(run.data.metrics)
    assert {metric.key: metric.value for metric in model.metrics} == of_the_model
    assert {(metric.dataset_name, metric.dataset_digest) for metric in model.metrics} == {
        (dataset.name, dataset.digest)
    }
    assert model.params == run.data.params


def test_a_run_has_the_system_metrics_of_its_training(client: MlflowClient, run: Run) -> None:
    measured = {name for name in run.data.metrics if name.startswith(PREFIX)}
    mlflows = {
        f"{PREFIX}{name}"
        for monitor in (CPUMonitor(), DiskMonitor(), NetworkMonitor())
        for name in (monitor.collect_metrics(), monitor.metrics)[1]
    }
    assert measured == mlflows
    history = client.get_metric_history(run.info.run_id, f"{PREFIX}system_memory_usage_percentage")
    assert [metric.step for metric in history] == list(range(len(history)))
    assert all(0 < metric.value < 100 for metric in history)
    assert run.info.end_time is not None
    assert history[-1].timestamp <= run.info.end_time


def test_the_model_has_an_input_example(platform: Platform, client: MlflowClient) -> None:
    version = client.get_model_version(platform.catalog.model, "1")
    model = mlflow.models.get_model_info(str(version.source))
    assert model.saved_input_example_info is not None
    assert model.saved_input_example_info["artifact_path"] == "input_example.json"
