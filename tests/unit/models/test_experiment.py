"""The experiment in MLflow, and the rights of its files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from streamflow.models.experiment import ensure_experiment, keep_private


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
