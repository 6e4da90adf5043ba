"""The experiment in MLflow, and the rights of its files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import EndpointConnectionError
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from streamflow.errors import ArtifactUntrusted, StreamflowError
from streamflow.models.artifact_store import fetch
from streamflow.models.experiment import ensure_experiment, keep_private
from streamflow.models.mlflow_client import migrate_store, release_store, translate_mlflow_errors
from streamflow.models.model_selection import Candidate
from streamflow.models.tracking import _log_candidate


@pytest.mark.parametrize("is_there", [False, True])
def test_the_folder_of_artifacts_is_private_under_any_umask(tmp_path: Path, is_there: bool) -> None:
    folder = tmp_path / "with space" / "artifacts"
    umask = os.umask(0)
    try:
        if is_there:
            folder.mkdir(parents=True, mode=0o755)
        keep_private(folder.as_uri())
    finally:
        os.umask(umask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("root", [None, "s3://bucket/artifacts", "mlflow-artifacts:/"])
def test_a_store_elsewhere_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    keep_private(root)
    assert list(tmp_path.iterdir()) == []


class BusyClient:
    """A client of MLflow while a concurrent run sets the tags of the experiment."""

    def get_experiment_by_name(self, _: str) -> SimpleNamespace:
        return SimpleNamespace(experiment_id="7", lifecycle_stage="active", tags={})

    def set_experiment_tag(self, *_: str) -> None:
        raise MlflowException("UNIQUE constraint failed: experiment_tags")


def test_a_tag_that_a_concurrent_run_sets_fails_no_training() -> None:
    client: Any = BusyClient()
    assert ensure_experiment(client, "churn", artifact_root=None) == "7"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MlflowClient, str]]:
    """Return a client of an MLflow whose tables lie in a file, and its folder of artifacts."""
    folder = tmp_path_factory.mktemp("mlflow")
    address = f"sqlite:///{folder / 'mlflow.db'}"
    root = (folder / "artifacts").as_uri()
    migrate_store(address, root)
    yield MlflowClient(address, registry_uri=address), root
    release_store(address)


def test_the_reason_why_there_is_no_experiment_is_that_of_mlflow(
    store: tuple[MlflowClient, str],
) -> None:
    client, root = store
    with pytest.raises(StreamflowError) as refused, translate_mlflow_errors():
        ensure_experiment(client, "x" * 600, artifact_root=root)
    assert "exceeds the maximum length" in refused.value.message
    assert "was deleted" not in refused.value.message


def test_an_experiment_that_a_concurrent_run_creates_is_used(
    store: tuple[MlflowClient, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, root = store
    first = ensure_experiment(client, "churn", artifact_root=root)
    find = client.get_experiment_by_name
    answers = [None]
    monkeypatch.setattr(
        client, "get_experiment_by_name", lambda name: answers.pop() if answers else find(name)
    )
    assert ensure_experiment(client, "churn", artifact_root=root) == first
    assert not answers


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "KILLED"), (OSError, "FAILED")])
def test_the_run_of_a_candidate_is_ended_whatever_happens(
    store: tuple[MlflowClient, str],
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    status: str,
) -> None:
    client, root = store
    experiment = ensure_experiment(client, f"churn {status}", artifact_root=root)
    candidate = Candidate(kind="logistic", aucs=(0.5,), briers=(0.2,), out_of_fold=np.zeros(1))
    parent = client.create_run(experiment).info.run_id

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(client, "log_batch", fail)
    with pytest.raises(error):
        _log_candidate(client, candidate, experiment_id=experiment, parent=parent, name="churn")
    runs = client.search_runs([experiment], filter_string="tags.`mlflow.parentRunId` != ''")
    assert [run.info.status for run in runs] == [status]


def test_a_store_that_cannot_be_reached_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-a-test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never-logged")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    uri = "s3://bucket/1/model.skops"
    with pytest.raises(ArtifactUntrusted, match="version 7: Could not connect to the") as refused:
        fetch("sqlite://", tmp_path, failure="version 7", artifact_uri=uri)
    assert "'artifact_root'" in refused.value.remedy
    error = EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
    with (
        pytest.raises(StreamflowError, match="store: Could not connect"),
        translate_mlflow_errors(),
    ):
        raise error
