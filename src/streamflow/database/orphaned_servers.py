"""Find the folders of embedded servers whose state folder was deleted or moved.

Only root has such folders: its servers keep their files outside the state folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamflow.database.server_folder import CLAIM_FILE, NOTE_FILE, SHARED_FOLDERS


@dataclass(frozen=True, kw_only=True)
class OrphanedServer:
    """A folder of a server, and the state folder that it belonged to when it was last used."""

    root: Path
    home: Path


def find_orphaned_servers(bases: Iterable[Path] = SHARED_FOLDERS) -> list[OrphanedServer]:
    """Find the server folders whose state folder was deleted, or moved and not used since.

    A folder that does not name its state folder is not reported.

    Args:
        bases: the folders in which to look.

    Returns:
        the folders, by path. A user who is not root has none.
    """
    if os.geteuid() != 0:
        return []
    orphans = []
    for base in bases:
        prefix = "" if base == SHARED_FOLDERS[0] else "streamflow-"
        for claim in sorted(base.glob(f"{prefix}*/{CLAIM_FILE}")):
            is_ours = not claim.is_symlink() and claim.stat().st_uid == 0
            if not is_ours:
                continue
            home = Path(claim.read_text(encoding="utf-8").strip())
            if not _is_noted(home, claim.parent):
                orphans.append(OrphanedServer(root=claim.parent, home=home))
    return orphans


def _is_noted(home: Path, root: Path) -> bool:
    """Return whether a state folder names this folder as the one of its server."""
    note = home / NOTE_FILE
    return note.is_file() and note.read_text(encoding="utf-8").strip() == str(root)
