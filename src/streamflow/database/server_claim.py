"""Which state folder the files of an embedded server belong to.

As root, the files lie outside the state folder. Two small files connect them: a note in the state
folder names the folder of the server, and a claim in the folder of the server names the state
folder. A copy of a state folder holds the same note, but the claim does not name the copy.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from streamflow.errors import DatabaseUnavailable

# As root, this file in the state folder names the folder with the server's files.
NOTE_FILE = "postgres.location"
# This file in the server's folder names the state folder that it belongs to.
CLAIM_FILE = "home"
# The second line of the note, once the server has data.
CREATED = "created"


def read_note(home: Path) -> Path | None:
    """Return the folder of the server that a state folder names; None if it names none."""
    lines = _read_lines(home / NOTE_FILE)
    return Path(lines[0]) if lines else None


def write_note(home: Path, root: Path, *, is_created: bool) -> None:
    """Write into a state folder which server it has, and whether the server has data.

    A note that says so already stays as it is.
    """
    lines = [str(root), CREATED] if is_created else [str(root)]
    if _read_lines(home / NOTE_FILE)[: len(lines)] != lines:
        (home / NOTE_FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_claim(root: Path) -> Path | None:
    """Return the state folder that the files of a server belong to; None if they do not say it."""
    lines = _read_lines(root / CLAIM_FILE)
    return Path(lines[0]) if lines else None


def write_claim(root: Path, home: Path) -> None:
    """Write into the folder of a server which state folder it belongs to."""
    if read_claim(root) != home:
        (root / CLAIM_FILE).write_text(f"{home}\n", encoding="utf-8")


def is_claimed_by(root: Path, home: Path) -> bool:
    """Return whether the files of a server say that they belong to this state folder.

    The state folder may be named by a link.
    """
    claim = read_claim(root)
    return claim is not None and (claim == home or _is_same_folder(claim, home))


def find_other_owner(root: Path, home: Path) -> Path | None:
    """Return the different state folder that uses these files of a server, if there is one.

    A state folder that was renamed does not exist under its former name. A copy, however, has an
    original that still names the same server.
    """
    claim = read_claim(root)
    if claim is None or is_claimed_by(root, home):
        return None
    return claim if read_note(claim) == root else None


def require_own_server(home: Path) -> None:
    """Raise DatabaseUnavailable unless the server that a state folder names is its own.

    It is not its own if the state folder is a copy, or if the data of the server are gone.
    """
    root = read_note(home)
    if root is None:
        return
    owner = find_other_owner(root, home)
    if owner is not None:
        raise DatabaseUnavailable(
            f"{home} is a copy of the state folder {owner}, and the database in {root} belongs"
            f" to {owner}",
            remedy=f"Delete {home}, which deletes nothing of the original. To copy an"
            f" installation, run 'streamflow --home {owner} backup FILE' and"
            f" 'streamflow --home {home} restore FILE'.",
        )
    if CREATED in _read_lines(home / NOTE_FILE) and not (root / "data").is_dir():
        raise DatabaseUnavailable(
            f"the database of {home} is gone: {root / 'data'} does not exist",
            remedy=f"Put that folder back, or delete {home} and run"
            f" 'streamflow --home {home} restore FILE' with a backup.",
        )


def require_same_user(home: Path) -> None:
    """Raise DatabaseUnavailable if the other kind of user has the database of this state folder.

    The embedded database of root lies in a different place than the one of an ordinary user. Each
    of them would make a second, empty database.
    """
    is_root = os.geteuid() == 0
    note = read_note(home)
    if is_root and note is None and (home / "postgres" / "data").is_dir():
        user = _find_user_name((home / "postgres").stat().st_uid)
        raise DatabaseUnavailable(
            f"{home} has the database of the user {user}, and you are root",
            remedy=f"Run the command as {user}: sudo -u {user} streamflow --home {home} …",
        )
    if not is_root and note is not None:
        raise DatabaseUnavailable(
            f"{home} has a database of root, in {note}",
            remedy="Run the command as root, or name a different state folder with --home.",
        )


def _find_user_name(number: int) -> str:
    """Return the name of a user, or the number if no user has it."""
    return next((user.pw_name for user in pwd.getpwall() if user.pw_uid == number), str(number))


def _is_same_folder(first: Path, second: Path) -> bool:
    return first.is_dir() and second.is_dir() and first.samefile(second)


def _read_lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").split("\n")[:-1] if file.is_file() else []
