"""The code and environment levels of a passport: what ran, on what, and the recorded code checked out again."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np

from streamflow.errors import StreamflowError

PACKAGE = Path(__file__).parent
SOURCES = (".py", ".sql", ".toml")  # the default catalog and the SQL files are code too


def code() -> dict[str, object]:
    """files: path in the package -> sha256; commit, or None where git knows no package; dirty: files that differ from it."""
    root = repository()
    if root is None:
        return {"files": source_digests(), "commit": None, "dirty": []}
    changed = (
        _git(
            root,
            "status",
            "--porcelain",
            "-z",
            "--no-renames",
            "--untracked-files=all",
            "--",
            str(PACKAGE),
        )
        or ""
    )
    return {
        "files": source_digests(),
        "commit": (_git(root, "rev-parse", "HEAD") or "").strip() or None,
        "dirty": sorted(line[3:] for line in changed.split("\0") if line[3:].endswith(SOURCES)),
    }


def source_digests() -> dict[str, str]:
    """File, relative to the package -> sha256 of its bytes."""
    files = sorted(p for p in PACKAGE.rglob("*") if p.suffix in SOURCES)
    return {p.relative_to(PACKAGE).as_posix(): sha256(p.read_bytes()).hexdigest() for p in files}


@cache
def code_digest() -> str:
    """What names the source files of this process, which imported them: 16 digits of the sha256 of their digests."""
    return sha256(
        "".join(f"{name}\0{digest}\n" for name, digest in source_digests().items()).encode()
    ).hexdigest()[:16]


def repository() -> Path | None:
    """The root of the git repository that the package is tracked in; an installed package is in none, wherever it lies."""
    if _git(PACKAGE, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    root = _git(PACKAGE, "rev-parse", "--show-toplevel")
    return Path(root.strip()) if root else None


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says, or None where there is no git, no repository, or it refuses."""
    command = ["git", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


OURS = "streamflow"  # we are the code level


def environment() -> dict[str, Any]:
    """What this process runs on; the same in every process of one virtual environment on one kind of machine."""
    return {
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        "simd": ", ".join(_simd()),
        "distributions": dict(_distributions(tuple(sys.path))),
    }


@cache  # two hundred files to parse, and what is loaded from a path does not change while a process runs
def _distributions(path: tuple[str, ...]) -> dict[str, str]:
    """Name -> version; of two with one name it is the first on the path, which is the one that is imported."""
    found: dict[str, str] = {}
    for distribution in distributions(path=list(path)):
        said = distribution.metadata
        found.setdefault(re.sub(r"[-_.]+", "-", str(said["Name"])).lower(), str(said["Version"]))
    return {name: found[name] for name in sorted(found) if name != OURS}


def _simd() -> list[str]:
    """The vector instructions that numpy found: other ones may round a sum otherwise."""
    built = np.show_config(mode="dicts")["SIMD Extensions"]
    return sorted([*built["baseline"], *built["found"]])


@dataclass(frozen=True, kw_only=True)
class Worktree:
    """A checked out commit. `source` is the folder to import our package from."""

    root: Path
    source: Path

    def run(
        self, *arguments: str, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
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
    return _run_git(root, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


@contextmanager
def checked_out(root: Path, commit: str, folder: Path) -> Iterator[Worktree]:
    """A worktree of `commit` at `folder`; at the end the repository knows nothing of it any more."""
    made = _run_git(root, "worktree", "add", "--detach", "--quiet", str(folder), commit)
    try:
        if made.returncode:
            raise StreamflowError(
                f"git worktree add: {made.stderr.strip()}",
                remedy="Look at the repository with 'git worktree list'.",
            )
        yield Worktree(root=folder, source=folder / PACKAGE.parent.relative_to(root))
    finally:
        _run_git(root, "worktree", "remove", "--force", str(folder))
        _run_git(root, "worktree", "prune")


def _run_git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
