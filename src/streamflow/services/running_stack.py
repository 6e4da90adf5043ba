"""The stack that is up for a state folder: who runs it, and where each service listens.

Everything about it is in `<home>/run`. A lock says whether a stack is up: supervisord holds it,
and the kernel frees it. Files that a crash leaves there mean nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from streamflow.errors import PortTaken, ServiceFailed
from streamflow.files.text_files import write_text
from streamflow.services.processes import free_port, require_port, web_address
from streamflow.services.programs import PROGRAMS_BY_NAME, Program

# Bytes in the path of the socket's folder. While supervisor makes the socket, it adds its process
# id to the name.
SOCKET_FOLDER_LIMIT = 90
# The address at which a service is asked that listens on all addresses.
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- nothing is bound here
STACK_FILE = "stack.json"  # in the run folder
PORTS_TRIED = 100
LOCK_ATTEMPTS = 10
LOCK_PAUSE_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The services that a person asked for, with the ports that they got.

    Attributes:
        ports: The port of each service by its name; 0 for a service that listens on no port.
        prefect_url: The API of Prefect's server, of this stack or a different one; "" for none.
    """

    host: str
    ports: Mapping[str, int]
    prefect_url: str

    @property
    def programs(self) -> list[Program]:
        """The services of this stack, in the order of their start."""
        return [program for name, program in PROGRAMS_BY_NAME.items() if name in self.ports]

    def url(self, name: str, path: str = "") -> str:
        """Return the URL of a service, from this machine; "" if it listens on no port."""
        port = self.ports[name]
        if not port:
            return ""
        return f"{local_address(self.host, port)}{path}"

    def save(self, home: Path) -> None:
        """Write the stack to a file, for the commands that look for what is up."""
        write_text(run_folder(home) / STACK_FILE, json.dumps(asdict(self)), replace=True)


def local_address(host: str, port: int) -> str:
    """Return the address at which this machine reaches a service that is bound to `host`.

    >>> local_address("0.0.0.0", 8000), local_address("::", 8000)
    ('http://127.0.0.1:8000', 'http://[::1]:8000')
    """
    return web_address(LOOPBACK.get(host, host), port)


def run_folder(home: Path) -> Path:
    """Return `<home>/run`, and make it if it is missing."""
    return _make_private(home / "run")


def socket_path(home: Path) -> Path:
    """Return the path of supervisord's socket.

    It is in the run folder. If that path is too long for a socket, it is in a private folder of
    the system's temporary folder.
    """
    folder = run_folder(home)
    if len(os.fsencode(folder)) > SOCKET_FOLDER_LIMIT:
        digest = sha256(os.fsencode(folder)).hexdigest()
        folder = _make_private(Path(tempfile.gettempdir()) / f"streamflow-up-{digest[:12]}")
    return folder / "up"


def _make_private(path: Path) -> Path:
    """Make a folder that only you can open. Raises ServiceFailed when it is another user's."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    # In /tmp everybody can make a link of this name to a folder of yours.
    if {path.lstat().st_uid, path.stat().st_uid} != {os.geteuid()}:
        raise ServiceFailed(
            f"{path}: it belongs to a different user",
            state="Nothing was changed.",
            remedy="Remove it, or set STREAMFLOW_HOME.",
        )
    path.chmod(0o700)
    return path


def take_lock(home: Path) -> int | None:
    """Take the lock that says that a stack is up for this state folder.

    Whoever only looks holds the lock for a moment, so it is tried for half a second. What an
    earlier stack left is deleted: its ports may be those of a different installation now.

    Returns:
        The file descriptor of the lock; None when a different process holds it.
    """
    for _ in range(LOCK_ATTEMPTS):
        descriptor = _try_lock(home, fcntl.LOCK_EX)
        if descriptor is not None:
            (run_folder(home) / STACK_FILE).unlink(missing_ok=True)
            return descriptor
        time.sleep(LOCK_PAUSE_S)
    return None


def _try_lock(home: Path, kind: int) -> int | None:
    """Lock the file of the stack alone (LOCK_EX) or with others (LOCK_SH); None: it is taken."""
    path = run_folder(home) / "up.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_up(home: Path) -> bool:
    """Return whether a stack is up for this state folder, or is starting or stopping."""
    if not (home / "run").is_dir():
        return False
    # Several processes and threads may look at the same time.
    descriptor = _try_lock(home, fcntl.LOCK_SH)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def read_running_stack(home: Path) -> Stack | None:
    """Return the stack that is up for this state folder; None when there is none.

    It is also None while `up` still chooses the ports.
    """
    if not is_up(home):
        return None
    try:
        text = (home / "run" / STACK_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return Stack(**json.loads(text))


def choose_ports(
    names: Sequence[str],
    host: str,
    preferred_ports: Mapping[str, int],
) -> dict[str, int]:
    """Choose a port for each service: the preferred one, or the next free one if it is taken.

    Args:
        names: The names of the services.
        preferred_ports: The preferred port, by the name of its setting.
    """
    ports: dict[str, int] = {}
    for name in names:
        setting = PROGRAMS_BY_NAME[name].port
        if setting:
            ports[name] = _find_free_port(host, preferred_ports[setting], set(ports.values()))
        else:
            ports[name] = 0
    return ports


def _find_free_port(host: str, first: int, chosen: set[int]) -> int:
    """Find the first free port from `first` on that is not chosen yet; any free port for 0."""
    candidates = range(first, min(first + PORTS_TRIED, 65536)) if first else ()
    for port in candidates:
        if port not in chosen:
            try:
                return require_port(host, port)
            except PortTaken:
                continue
    return free_port(host)
