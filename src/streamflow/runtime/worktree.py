"""The recorded code: a commit checked out beside the repository, and commands run with it and with nothing of ours at hand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streamflow.errors import StreamflowError
from streamflow.runtime.code import PACKAGE


@dataclass(frozen=True, kw_only=True)
class Worktree:
    """A checked out commit. `source` is the folder to import our package from."""

    root: Path
    source: Path

    def run(self, *arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """`python -m ARGUMENTS` with the package of this commit and the interpreter at hand."""
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            env={**environment, "PYTHONPATH": str(self.source), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=self.root.parent,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )


def has_commit(root: Path, commit: str) -> bool:
    """Whether the repository holds a commit."""
    return _git(root, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


@contextmanager
def checked_out(root: Path, commit: str, folder: Path) -> Iterator[Worktree]:
    """A worktree of `commit` at `folder`; at the end the repository knows nothing of it any more."""
    made = _git(root, "worktree", "add", "--detach", "--quiet", str(folder), commit)
    try:
        if made.returncode:
            raise StreamflowError(
                f"git worktree add: {made.stderr.strip()}", remedy="Look at the repository with 'git worktree list'."
            )
        yield Worktree(root=folder, source=folder / PACKAGE.parent.relative_to(root))
    finally:
        _git(root, "worktree", "remove", "--force", str(folder))
        _git(root, "worktree", "prune")


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
