"""The files of runs and models through the MLflow server of `up`, with MLFLOW_TRACKING_URI alone.

The server runs in a thread, with the application and the variables that `up` gives it.
"""

from __future__ import annotations

import getpass
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import uvicorn
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.server import constants
from support.states import JANUARY_TRAINED
from support.stock_mlflow import mlflow_at, own_registry_address

from streamflow.models.artifact_locations import PROXIED
from streamflow.models.experiment import KIND_TAG, MODEL_TRAINING
from streamflow.models.proxied_artifacts import ProxiedArtifacts, create_app
from streamflow.models.system_metrics import PREFIX
from streamflow.platform import Platform
from streamflow.settings import temporary_environment

pytestmark = [
    pytest.mark.state(JANUARY_TRAINED),
    # MLflow's server, of itself
    pytest.mark.filterwarnings("ignore:starlette.middleware.wsgi is deprecated"),
]


@pytest.fixture
def mlflow_server(platform: Platform) -> Iterator[str]:
    """The address of MLflow's server on this installation."""
    variables = {
        constants.BACKEND_STORE_URI_ENV_VAR: platform.environment["MLFLOW_BACKEND_STORE_URI"],
        constants.ARTIFACT_ROOT_ENV_VAR: platform.environment["MLFLOW_DEFAULT_ARTIFACT_ROOT"],
        constants.ARTIFACTS_DESTINATION_ENV_VAR: platform.environment[
            "MLFLOW_ARTIFACTS_DESTINATION"
        ],
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
    }
    with temporary_environment(variables), own_registry_address(), socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        configuration = uvicorn.Config(create_app(), log_level="error", lifespan="off")
        served = uvicorn.Server(configuration)
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        served.should_exit = True
        thread.join()


def test_a_stock_client_elsewhere_lists_downloads_and_uploads_files(
    platform: Platform, mlflow_server: str, tmp_path: Path
) -> None:
    local = MlflowClient(platform.tracking_uri, registry_uri=platform.tracking_uri)
    version = local.get_model_version(platform.catalog.model, "1")
    assert str(version.source).startswith(("models:/", platform.artifact_root))
    assert version.run_id is not None
    stored = local.get_run(version.run_id).info.artifact_uri

    with mlflow_at(mlflow_server):
        client = MlflowClient(mlflow_server, registry_uri=mlflow_server)
        run = client.get_run(version.run_id)
        relative = str(stored).removeprefix(f"{platform.artifact_root}/")
        assert run.info.artifact_uri == f"{PROXIED}/{relative}"
        require_filled_pages(client, run)
        names = {file.path for file in client.list_artifacts(version.run_id)}
        assert "passport.json" in names
        passport = Path(client.download_artifacts(version.run_id, "passport.json", str(tmp_path)))
        assert passport.read_bytes() == local_file(str(stored), "passport.json").read_bytes()

        # an experiment and a run of the client's own
        experiment_id = client.create_experiment("of a client")
        location = client.get_experiment(experiment_id).artifact_location
        assert location.startswith(f"{PROXIED}/")
        own_run = client.create_run(experiment_id)
        client.log_text(own_run.info.run_id, "from afar", "notes/note.txt")
        (notes,) = client.list_artifacts(own_run.info.run_id, "notes")
        assert notes.path == "notes/note.txt"

        # a model that is downloaded, loaded and uploaded as a version of its own
        downloaded = mlflow.artifacts.download_artifacts(
            artifact_uri=f"models:/{platform.catalog.model}/1",
            dst_path=str(tmp_path / "model"),
            tracking_uri=mlflow_server,
        )
        assert (Path(downloaded) / "model.skops").is_file()
        client.log_artifacts(own_run.info.run_id, downloaded, "model")
        client.create_registered_model("copy")
        source = f"{own_run.info.artifact_uri}/model"
        copy = client.create_model_version("copy", source, own_run.info.run_id)
        assert copy.source == source
        uri = client.get_model_version_download_uri("copy", copy.version)
        assert uri == source

    # the tables name our folder, so that our services and commands work as before
    assert local.get_run(version.run_id).info.artifact_uri == stored
    own_root = str(local.get_run(own_run.info.run_id).info.artifact_uri)
    assert own_root.startswith(f"{platform.artifact_root}/")
    assert local_file(own_root, "notes/note.txt").read_text() == "from afar"
    assert str(local.get_model_version("copy", copy.version).source) == f"{own_root}/model"


def require_filled_pages(client: MlflowClient, run: Run) -> None:
    """What the pages of an experiment, a run and a logged model show, all asked of the server."""
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.tags[KIND_TAG] == MODEL_TRAINING
    tags = run.data.tags
    assert tags["mlflow.user"] == getpass.getuser()
    assert tags["mlflow.source.name"] == "streamflow train"
    assert tags["mlflow.note.content"].startswith("A model of the kind")
    assert f"{PREFIX}cpu_utilization_percentage" in run.data.metrics
    (dataset,) = [found.dataset for found in run.inputs.dataset_inputs]
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert model.artifact_location.startswith(f"{PROXIED}/")
    assert {metric.dataset_digest for metric in model.metrics} == {dataset.digest}
    info = mlflow.models.get_model_info(f"models:/{output.model_id}")
    assert info.saved_input_example_info is not None


def local_file(location: str, name: str) -> Path:
    return Path(location.removeprefix("file://")) / name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a":"file:///s/art"}', b'{"a":"mlflow-artifacts:"}'),
        (b'{"a":"file:///s/artful/1"}', b'{"a":"file:///s/artful/1"}'),
        (b'{"a":"at file:///s/art/1"}', b'{"a":"at file:///s/art/1"}'),
        (b'{"a":"{\\"b\\":\\"file:///s/art/1\\"}"}', b'{"a":"{\\"b\\":\\"file:///s/art/1\\"}"}'),
        (
            b'["file:///s/art/1/a%20b","file:///s/art/2"]',
            b'["mlflow-artifacts:/1/a%20b","mlflow-artifacts:/2"]',
        ),
    ],
)
def test_only_whole_locations_are_replaced(text: bytes, expected: bytes) -> None:
    application = ProxiedArtifacts(create_app, "/s/art")  # type: ignore[arg-type]
    assert application.hide(text) == expected


def test_a_location_of_a_named_server_is_left_alone() -> None:
    application = ProxiedArtifacts(create_app, "s3://bucket/churn/")  # type: ignore[arg-type]
    text = b'["mlflow-artifacts:/1/a","mlflow-artifacts://host:5000/1"]'
    assert application.reveal(text) == b'["s3://bucket/churn/1/a","mlflow-artifacts://host:5000/1"]'
