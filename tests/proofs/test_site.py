"""Proof: the site is built from the pages, and each link, picture and search entry of it holds.

Needs Zensical, which `make docs` installs in an environment of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "build" / "docs-env" / "bin" / "python"


@pytest.mark.skipif(not PYTHON.exists(), reason="Zensical is not installed: run 'make docs'")
def test_the_site_is_built_without_a_fault(tmp_path: Path) -> None:
    site = tmp_path / "site"
    earlier = site / "0.9.0"  # a version that was built before
    earlier.mkdir(parents=True)
    (earlier / "index.html").write_text("<p></p>")
    (earlier / "search.json").write_text('{"items": [{"location": "index.html"}]}')
    built = subprocess.run(
        [PYTHON, ROOT / "tools" / "build_site.py", site],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    versions = json.loads((site / "versions.json").read_text(encoding="utf-8"))
    aliases = {version["version"]: version["aliases"] for version in versions}
    (new,) = aliases.keys() - {"0.9.0"}
    # Pages of changes that are not released yet are not the latest.
    is_release = new != "unreleased"
    assert aliases == {new: ["latest"] * is_release, "0.9.0": ["latest"] * (not is_release)}
    checked = subprocess.run(
        [sys.executable, ROOT / "tools" / "check_site.py", site],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    print(checked.stdout)
    # A list that is not read as one leaves its marks in the text.
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    unread = [path.name for path, text in pages.items() if "\n- <" in text]
    assert unread == []
    pictures = {path.name for path in (ROOT / "docs" / "images").iterdir()}
    assert {path.name for path in (site / new / "images").iterdir()} == pictures
