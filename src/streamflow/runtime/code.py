"""The code level: the digest of each of our own source files."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

PACKAGE = Path(__file__).parent.parent


def source_digests() -> dict[str, str]:
    """File, relative to the package -> sha256 of its bytes; catalogs and SQL belong to the code too."""
    files = sorted(p for p in PACKAGE.rglob("*") if p.suffix in (".py", ".toml"))
    return {p.relative_to(PACKAGE).as_posix(): sha256(p.read_bytes()).hexdigest() for p in files}
