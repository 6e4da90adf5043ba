"""`make setup`, with commands that only note how they were called."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A Python that makes environments as `venv` does, and notes each call.
# With `-c` it is asked for its version, and notes nothing.
BASE_PYTHON = """#!/bin/sh
test "$1" != "-c" || { echo 3.11; exit; }
echo "base $*" >> calls
test "$1 $2" = "-m venv" || exit 0
mkdir -p .venv/bin
printf '#!/bin/sh\\ntest "$1" != "-c" || { echo 3.11; exit; }\\n' > .venv/bin/python
printf 'echo "own $*" >> calls\\n' >> .venv/bin/python
cp .venv/bin/python .venv/bin/uv
chmod +x .venv/bin/python .venv/bin/uv
"""
# The Python of an environment in which pip is not installed yet.
WITHOUT_PIP = """#!/bin/sh
echo "No module named pip" >&2
exit 1
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make setup` reads, and a Python."""
    for name in ("Makefile", "pyproject.toml", "requirements", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    write_command(tmp_path / "base-python", BASE_PYTHON)
    return tmp_path


def write_command(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def make_setup(clone: Path) -> list[str]:
    """Run `make setup`, and return the calls of Python and uv."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is absent")
    command = [make, "--no-print-directory", "setup", "PYTHON=./base-python"]
    # Without the flags that `make test` hands on to the commands that it runs.
    environment = {name: text for name, text in os.environ.items() if "MAKE" not in name}
    done = subprocess.run(
        command,
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    calls = clone / "calls"
    lines = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
    calls.unlink(missing_ok=True)
    return lines


def test_an_environment_of_which_only_a_half_was_made_is_made_anew(clone: Path) -> None:
    """After Ctrl-C, or where Debian's python3-venv was missing at the first try."""
    write_command(clone / ".venv" / "bin" / "python", WITHOUT_PIP)
    assert "base -m venv --clear .venv" in make_setup(clone)


def test_an_environment_is_kept_and_a_second_setup_does_nothing(clone: Path) -> None:
    make_setup(clone)
    assert make_setup(clone) == []
    (clone / ".venv" / "installed").unlink()  # as after Ctrl-C while packages were installed
    calls = make_setup(clone)
    assert not [call for call in calls if call.startswith("base -m venv")]
    assert [call for call in calls if call.startswith("own pip sync")]


def test_an_environment_of_a_different_python_than_the_named_one_is_made_anew(clone: Path) -> None:
    make_setup(clone)
    newer = BASE_PYTHON.replace("echo 3.11; exit", "echo 3.13; exit", 1)
    write_command(clone / "base-python", newer)
    assert "base -m venv --clear .venv" in make_setup(clone)
