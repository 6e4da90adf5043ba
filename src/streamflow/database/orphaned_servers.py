"""Find the folders of embedded servers whose state folder was deleted or moved.

Only root has such folders: its servers keep their files outside the state folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamflow.database.server_claim import CLAIM_FILE, is_claimed_by, read_claim, read_note
from streamflow.database.server_folder import SHARED_FOLDERS
from streamflow.database.server_guard import try_lock


@dataclass(frozen=True, kw_only=True)
class OrphanedServer:
    """A folder of a server, and the state folder that it belonged to when it was last used."""

    root: Path
    home: Path


def find_orphaned_servers(bases: Iterable[Path] = SHARED_FOLDERS) -> list[OrphanedServer]:
    """Find the server folders whose state folder was deleted, or moved and not used since.

    A folder that does not name its state folder is not reported, and a folder whose server runs is
    not either: somebody uses it.

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
            root = claim.parent
            home = read_claim(root)
            if home is not None and read_note(home) != root and not _is_running(root):
                orphans.append(OrphanedServer(root=root, home=home))
    return orphans


def find_server_of_others(home: Path) -> OrphanedServer | None:
    """Find the server that a state folder names, if it belongs to a different state folder.

    This is so in a copy, and in a state folder that was renamed and not used since.
    """
    root = read_note(home)
    claim = read_claim(root) if root else None
    if root is None or claim is None or is_claimed_by(root, home):
        return None
    return OrphanedServer(root=root, home=claim)


def _is_running(root: Path) -> bool:
    """Return whether the server of a folder runs: it holds a lock as long as it does."""
    try:
        descriptor = os.open(root / "server.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    is_free = try_lock(descriptor)
    os.close(descriptor)
    return not is_free
