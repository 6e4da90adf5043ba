"""reproduce --code recorded: the commit that trained a version makes it again, after any change."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from conftest import Cluster
from support.chain import JANUARY, load
from support.command import Said
from support.fork_server import run_forked

import streamflow
from streamflow.platform import open_platform

Words = tuple[str, ...]
Run = Callable[..., list[Said]]  # commands, one after the other in a process of their own
DAY = ("--as-of", "2024-01-31")
TESTS = Path(__file__).parents[1]
GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org")

pytestmark = pytest.mark.skipif(
    shutil.which("git") is None,
    reason="the code of a commit is read from a git repository",
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository that holds this package, with one commit."""
    root = tmp_path / "a repository"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(streamflow.__file__).parent, root / "src" / "streamflow", ignore=ignored)
    subprocess.run([*GIT, "init", "--quiet", str(root)], check=True)
    commit(root, "first")
    return root


def commit(root: Path, message: str) -> None:
    subprocess.run([*GIT, "-C", str(root), "add", "--all"], check=True)
    subprocess.run([*GIT, "-C", str(root), "commit", "--quiet", "--message", message], check=True)


@pytest.fixture
def streamflow_there(
    cluster: Cluster, repository: Path, simulated_drops: Path, tmp_path: Path
) -> Iterator[Run]:
    """The command line of the package in the repository, on an installation with January."""
    name, home = f"sf_code_{uuid4().hex[:12]}", tmp_path / "home"
    cluster.clone(name)
    with open_platform(cluster.settings(name, home)) as platform:
        load(platform, simulated_drops / "month_000", JANUARY)
    environment = {
        **os.environ,
        **cluster.variables(name, home),
        "STREAMFLOW_TREES": "5",
        "PYTHONPATH": f"{repository / 'src'}{os.pathsep}{TESTS}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def run(*commands: Words) -> list[Said]:
        words = json.dumps([("--quiet", *command) for command in commands])
        done = run_forked(
            "support.command",
            str(home),
            words,
            environment=environment,
            package=repository / "src",
        )
        assert done.returncode == 0, done.stderr
        return [Said(*said) for said in json.loads(done.stdout)]

    yield run
    cluster.drop(name)


def test_the_recorded_commit_makes_the_version_again(
    streamflow_there: Run, repository: Path
) -> None:
    (trained,) = streamflow_there(("train", *DAY))
    assert trained.returncode == 0, trained.stderr
    baseline = repository / "src/streamflow/models/kinds/baseline.py"
    baseline.write_text(baseline.read_text().replace('max_features="sqrt"', "max_features=2"))
    (dirty,) = streamflow_there(("train", *DAY))
    assert dirty.returncode == 0, dirty.stderr
    commit(repository, "second")
    at_hand, compared, then, uncommitted = streamflow_there(
        ("reproduce", "1", "--json"),
        ("compare", "1", "2", "--json"),
        ("reproduce", "1", "--code", "recorded", "--json"),
        ("reproduce", "2", "--code", "recorded"),
    )
    assert at_hand.returncode == 1, at_hand.stderr
    assert drifted(at_hand) == {"code": ["models/kinds/baseline.py"]}
    assert compared.returncode == 0, compared.stderr
    auc = json.loads(compared.stdout)["metrics"][0]
    assert auc["change"] != 0
    assert [share["cause"] for share in auc["shares"]] == [
        "code or environment"
    ]  # no rebuild makes it again
    assert then.returncode == 0, then.stderr
    assert drifted(then) == {}
    said = json.loads(then.stdout)
    assert (said["result"], said["version"]) == ("identical", 1)
    assert (
        said["code"]
        == subprocess.run(
            [*GIT, "-C", str(repository), "rev-parse", "HEAD~1"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    listed = subprocess.run(
        [*GIT, "-C", str(repository), "worktree", "list"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert len(listed.splitlines()) == 1
    assert uncommitted.returncode == 4
    assert (
        "code: 1 file was not committed when the version was trained,"
        " for example src/streamflow/models/kinds/baseline.py" in uncommitted.stderr
    )
    shutil.rmtree(repository / ".git")
    (gone,) = streamflow_there(("reproduce", "1", "--code", "recorded"))
    assert gone.returncode == 4
    assert "this package is not in a git repository" in gone.stderr


def drifted(done: Said) -> dict[str, list[str]]:
    return {
        level["name"]: [difference["what"] for difference in level["differences"]]
        for level in json.loads(done.stdout)["levels"]
        if level["verdict"] != "same"
    }
