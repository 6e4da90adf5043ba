"""A file of a version is read only where it is a file: the path comes from MLflow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamflow.errors import ArtifactUntrusted
from streamflow.models.artifact_store import read_local_file


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "decision.json").write_bytes(b"{}")
    assert read_local_file(tmp_path / "decision.json", failure="no file") == b"{}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pipe", "pipe is no file"),  # nobody writes into it: a reader would wait for ever
        ("lost", "No such file or directory"),
        ("nul\0", "null byte|null character"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactUntrusted, match=f"(?s)no file: .*({reason})"):
        read_local_file(tmp_path / name, failure="no file")
