"""The code level of a passport, and a recorded commit checked out again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from streamflow.errors import StreamflowError

PACKAGE = Path(__file__).parent

# The default catalog (TOML) and the SQL files are code too.
SOURCES = (".py", ".sql", ".toml")

GIT_MISSING = 127  # the exit code of a shell when a program does not exist


def read_code_level() -> dict[str, object]:
    """Return the code level of a passport.

    Returns:
        files: path in the package -> sha256.
        commit: the commit of the repository; None where git does not track the package.
        dirty: the files that differ from the commit.
    """
    root = find_repository()
    if root is None:
        return {"files": source_digests(), "commit": None, "dirty": []}
    head = _run_git(root, "rev-parse", "HEAD")
    commit = head.stdout.strip() if head.returncode == 0 else ""
    return {"files": source_digests(), "commit": commit or None, "dirty": _changed_sources(root)}


def _changed_sources(root: Path) -> list[str]:
    """List our source files that git reports as changed or untracked."""
    options = ("--porcelain", "-z", "--no-renames", "--untracked-files=all")
    status = _run_git(root, "status", *options, "--", str(PACKAGE))
    if status.returncode:
        return []
    # An entry is a status of two letters, a space, and the path.
    paths = [entry[3:] for entry in status.stdout.split("\0")]
    return sorted(path for path in paths if path.endswith(SOURCES))


def source_digests() -> dict[str, str]:
    """Return the sha256 of each source file, by its path relative to the package."""
    files = sorted(path for path in PACKAGE.rglob("*") if path.suffix in SOURCES)
    return {
        path.relative_to(PACKAGE).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@cache
def code_digest() -> str:
    """Return 16 digits that name the source files of the package as this process first read them.

    They are the first digits of the sha256 over the digests of all source files.
    """
    lines = [f"{name}\0{digest}\n" for name, digest in source_digests().items()]
    return sha256("".join(lines).encode()).hexdigest()[:16]


def find_repository() -> Path | None:
    """Return the root of the git repository that tracks the package.

    An installed package is in no repository, even if its folder lies inside one.
    """
    tracked = _run_git(PACKAGE, "ls-files", "--error-unmatch", "__init__.py")
    if tracked.returncode:
        return None
    root = _run_git(PACKAGE, "rev-parse", "--show-toplevel")
    return Path(root.stdout.strip()) if root.returncode == 0 and root.stdout else None


@dataclass(frozen=True, kw_only=True)
class Worktree:
    """A commit that is checked out. `source` is the folder to import our package from."""

    root: Path
    source: Path

    def run(
        self,
        *arguments: str,
        environment: Mapping[str, str],
    ) -> subprocess.CompletedProcess[str]:
        """Run `python -m ARGUMENTS` with the package of this commit and this interpreter."""
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
    """Return whether the repository holds a commit."""
    return _run_git(root, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


@contextmanager
def check_out(root: Path, commit: str, folder: Path) -> Iterator[Worktree]:
    """Check out `commit` as a worktree at `folder`, and remove the worktree at the end.

    At the end the repository has no trace of the worktree. Raises StreamflowError if git fails.
    """
    added = _run_git(root, "worktree", "add", "--detach", "--quiet", str(folder), commit)
    try:
        if added.returncode:
            raise StreamflowError(
                f"git worktree add: {added.stderr.strip()}",
                remedy="Look at the repository with 'git worktree list'.",
            )
        yield Worktree(root=folder, source=folder / PACKAGE.parent.relative_to(root))
    finally:
        _run_git(root, "worktree", "remove", "--force", str(folder))
        _run_git(root, "worktree", "prune")


def _run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git in a folder. The exit code is not 0 where git is missing or fails."""
    command = ["git", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, GIT_MISSING, "", "git is not installed")
