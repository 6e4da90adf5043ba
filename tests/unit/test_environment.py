"""The environment level names a drift in files and in arithmetic that no version number shows."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from streamflow.core.versions.level_comparison import compare_environment, describe_uncompared
from streamflow.environment import read_environment_level

READ = (
    "import json, sys, sklearn.ensemble; from streamflow.environment import read_environment_level;"
    " json.dump(read_environment_level(), sys.stdout)"
)


def record_of(content: bytes) -> str:
    digest = urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
    return f"planted/__init__.py,sha256={digest},{len(content)}\n"


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed and imported distribution of one file."""
    content = b"FACTOR = 1\n"
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted/__init__.py").write_bytes(content)
    metadata = tmp_path / "planted-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: planted\nVersion: 1.0\n")
    (metadata / "RECORD").write_text(record_of(content))
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("planted")
    yield tmp_path  # type: ignore[misc]
    del sys.modules["planted"]


def differences(recorded: dict[str, Any], current: dict[str, Any]) -> list[str]:
    return [str(one) for one in compare_environment(recorded, current).differences]


def test_an_edited_line_of_an_installed_package_of_the_same_version_is_named(planted: Path) -> None:
    before = read_environment_level()
    assert before["changed_files"] == {}
    assert compare_environment(before, read_environment_level()).is_same
    (planted / "planted/__init__.py").write_bytes(b"FACTOR = 2\n")
    [difference] = differences(before, read_environment_level())
    assert difference.startswith("planted/__init__.py: as installed -> sha256=")


def test_an_imported_file_that_is_gone_and_an_empty_line_of_a_record_are_no_error(
    planted: Path,
) -> None:
    record = planted / "planted-1.0.dist-info/RECORD"
    record.write_text(f"{record.read_text()}\nno-digest\n")
    before = read_environment_level()
    (planted / "planted/__init__.py").unlink()
    [difference] = differences(before, read_environment_level())
    assert difference == "planted/__init__.py: as installed -> missing"


def test_a_different_build_of_the_same_version_is_named(planted: Path) -> None:
    before = read_environment_level()
    content = b"FACTOR = 2\n"
    (planted / "planted/__init__.py").write_bytes(content)
    (planted / "planted-1.0.dist-info/RECORD").write_text(record_of(content))
    for cached in ("_distributions", "_recorded_files", "_record_digests"):
        getattr(sys.modules["streamflow.environment"], cached).cache_clear()
    [difference] = differences(before, read_environment_level())
    assert difference.startswith("files of planted: ")


def test_a_distribution_of_another_version_is_one_difference(planted: Path) -> None:
    before = read_environment_level()
    now = {**before, "distributions": {**before["distributions"], "planted": "2.0"}}
    now["files"] = {**before["files"], "planted": "0" * 16}
    assert differences(before, now) == ["planted: 1.0 -> 2.0"]


def test_a_passport_without_these_facts_is_compared_in_the_others() -> None:
    now = read_environment_level()
    new_facts = ("blas", "arithmetic", "files", "changed_files")
    old = {name: value for name, value in now.items() if name not in new_facts}
    assert compare_environment(old, now).is_same
    [note] = describe_uncompared(old, now)
    assert "blas, arithmetic, files, changed files" in note
    assert describe_uncompared(now, now) == ()


def test_another_kernel_of_linear_algebra_is_named() -> None:
    """The kernel that a variable chooses, in a process of its own: it is chosen at the import."""
    import json

    def read(**variables: str) -> dict[str, Any]:
        output = subprocess.check_output(
            [sys.executable, "-c", READ], env={**os.environ, **variables}
        )
        level: dict[str, Any] = json.loads(output)
        return level

    here, other = read(), read(OPENBLAS_CORETYPE="Nehalem")
    if here["blas"] == other["blas"]:
        pytest.skip("this machine has one kernel only")
    names = [line.split(":")[0] for line in differences(here, other)]
    assert names[0] == "blas"
    assert "results of linear algebra" in names
    assert set(names) <= {"blas", "results of linear algebra"}
