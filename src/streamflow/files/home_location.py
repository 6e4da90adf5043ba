"""Where a state folder lies, written into it: so it knows when it was renamed or copied."""

from __future__ import annotations

import os
from pathlib import Path

LOCATION_FILE = "home.location"


def read_former_home(home: Path) -> Path | None:
    """Return where a state folder was when it was last used.

    Returns:
        None if it lies in the same place, also under the name of a link, or if it does not say.
    """
    text = _read_text(home / LOCATION_FILE)
    # A line without its end was not written completely.
    if not text.endswith("\n"):
        return None
    former = Path(text.removesuffix("\n"))
    is_same = former == home or (former.is_dir() and former.samefile(home))
    return None if is_same else former


def record_home(home: Path) -> None:
    """Write into a state folder where it lies. A folder that we cannot write to stays as it is."""
    file = home / LOCATION_FILE
    text = f"{home}\n"
    if home.is_dir() and os.access(home, os.W_OK) and _read_text(file) != text:
        file.write_text(text, encoding="utf-8")


def _read_text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""
