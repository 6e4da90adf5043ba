"""Copy the version of `src/streamflow/__init__.py` to every file that repeats it: `make version`.

The number stands in that file alone. The metadata of the wheel read it from there. Files that other
programs read cannot, so they have a copy of it.
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import write_sbom

ROOT = Path(__file__).parent.parent
NUMBER = r"\d+\.\d+\.\d+\w*"
# File -> what stands before the number in it.
PREFIXES = {
    "Dockerfile": r'org\.opencontainers\.image\.version="',
    "deploy/helm/streamflow/Chart.yaml": r'^(?:version: |appVersion: ")',
    "docs/how-to/install.md": r"streamflow_churn-",
    "docs/how-to/spark.md": r"streamflow_churn-",
    "src/streamflow/api/examples.json": r'"name": "streamflow",\n *"version": "',
}


def read_version() -> str:
    """Return the version of the sources, not of an installed package."""
    version: str = runpy.run_path(str(ROOT / "src" / "streamflow" / "__init__.py"))["__version__"]
    return version


def list_copies() -> Iterator[tuple[Path, str]]:
    """Yield each file that repeats the version, with the text that it should have.

    Raises:
        ValueError: A file does not repeat the version any more.
    """
    version = read_version()
    for name, prefix in PREFIXES.items():
        path = ROOT / name
        pattern = re.compile(f"({prefix}){NUMBER}", re.MULTILINE)
        text, count = pattern.subn(rf"\g<1>{version}", path.read_text(encoding="utf-8"))
        if not count:
            raise ValueError(f"{name} has no version: correct PREFIXES in {__file__}")
        yield path, text
    yield write_sbom.SBOM, write_sbom.format_sbom(version)


def find_outdated() -> list[str]:
    """Return the files whose copy is not the version of the sources."""
    return [
        path.relative_to(ROOT).as_posix()
        for path, text in list_copies()
        if path.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Write the copies anew, and name the files that change."""
    outdated = find_outdated()
    for path, text in list_copies():
        path.write_text(text, encoding="utf-8")
    for name in outdated:
        print(f"version {read_version()}: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
