"""Servers' folders outside their state folder, whose state folder is not where it was. Only root has such folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamflow.database.server_folder import CLAIM, NOTE, ROOTS


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A folder of a server, and the state folder that it belonged to when that was last used."""

    root: Path
    home: Path


def leftovers(bases: Iterable[Path] = ROOTS) -> list[Leftover]:
    """The folders whose state folder is gone, or was moved and not used since, by path. One that says not whose is left alone."""
    found = []
    for base in bases if os.geteuid() == 0 else ():
        for claim in sorted(base.glob(f"{'' if base == ROOTS[0] else 'streamflow-'}*/{CLAIM}")):
            if claim.is_symlink() or claim.stat().st_uid != 0:
                continue  # not ours
            home = Path(claim.read_text(encoding="utf-8").strip())
            note = home / NOTE
            if not note.is_file() or note.read_text(encoding="utf-8").strip() != str(claim.parent):
                found.append(Leftover(root=claim.parent, home=home))
    return found
