"""The code level: the digest of each of our own source files, and the commit that they are of."""

from __future__ import annotations

import subprocess
from functools import cache
from hashlib import sha256
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
SOURCES = (".py", ".toml")  # our catalog belongs to the code too


def code() -> dict[str, object]:
    """files: path in the package -> sha256; commit, or None where git knows no package; dirty: files that differ from it."""
    root = repository()
    if root is None:
        return {"files": source_digests(), "commit": None, "dirty": []}
    changed = _git(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", str(PACKAGE)) or ""
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
    return sha256("".join(f"{name}\0{digest}\n" for name, digest in source_digests().items()).encode()).hexdigest()[:16]


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
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
