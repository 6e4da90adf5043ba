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
    file = home / LOCATION_FILE
    if not file.is_file():
        return None
    former = Path(file.read_text(encoding="utf-8").removesuffix("\n"))
    is_same = former == home or (former.is_dir() and former.samefile(home))
    return None if is_same else former


def record_home(home: Path) -> None:
    """Write into a state folder where it lies. A folder that we cannot write to stays as it is."""
    file = home / LOCATION_FILE
    text = f"{home}\n"
    if not home.is_dir() or not os.access(home, os.W_OK):
        return
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        partial = home / f"{LOCATION_FILE}.{os.getpid()}"
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
