"""Servers' folders outside their state folder whose state folder is gone. Only root's installations have such folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamflow.database.guard import try_lock
from streamflow.database.place import CLAIM, LINKED, NOTE, ROOTS, socket_folder


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A folder of a server. `removable` is False where the state folder may have been moved: it could not be linked."""

    root: Path
    home: Path
    removable: bool


def leftovers(bases: Iterable[Path] = ROOTS) -> list[Leftover]:
    """The folders whose state folder is gone, by path. A folder that does not say whose it is is left alone."""
    found = []
    for base in bases if os.geteuid() == 0 else ():
        for claim in sorted(base.glob(f"{'' if base == ROOTS[0] else 'streamflow-'}*/{CLAIM}")):
            if claim.is_symlink() or claim.stat().st_uid != 0 or claim.stat().st_nlink > 1:
                continue  # not ours, or linked from a state folder, wherever that was moved
            home, _, mark = claim.read_text(encoding="utf-8").partition("\n")
            note = Path(home) / NOTE
            if not note.is_file() or note.read_text(encoding="utf-8").strip() != str(claim.parent):
                found.append(Leftover(root=claim.parent, home=Path(home), removable=mark.strip() == LINKED))
    return found


def remove_leftover(leftover: Leftover) -> bool:
    """Delete the folder unless somebody uses it or its server still runs; whether it is gone. Never waits."""
    clients, server = (
        os.open(leftover.root / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for name in ("clients", "server")
    )
    try:
        if not leftover.removable or not try_lock(clients) or not try_lock(server):
            return False  # its guard needs the first lock to stop the server: to wait here for the second would be for ever
        for folder in (leftover.root, socket_folder(leftover.root)):
            shutil.rmtree(folder, ignore_errors=True)
        return not leftover.root.exists()
    finally:
        os.close(clients)
        os.close(server)
