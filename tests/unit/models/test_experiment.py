"""The files of versions can be read by their owner alone, whatever the umask is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from streamflow.models.experiment import keep_private


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
