"""What is up for a state folder: who holds it, and where each service listens. All of it lies in `<home>/run`.

Whether something is up says the lock, which supervisord holds and the kernel frees; what a crash leaves there means nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from streamflow.errors import PortTaken, ServiceFailed
from streamflow.services.processes import free_port, require_port
from streamflow.services.programs import BY_NAME, Program

SOCKET_LIMIT = 90  # bytes of the socket's folder; supervisor adds its pid to the name while it makes the socket
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # where one that listens everywhere is asked


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The services that were asked for, with the ports that they got; 0 for one that listens on none."""

    host: str
    ports: Mapping[str, int]
    prefect_url: str  # the API of Prefect's server, this stack's own or another one; "" for none

    @property
    def programs(self) -> list[Program]:
        """In the order of their start."""
        return [program for name, program in BY_NAME.items() if name in self.ports]

    def url(self, name: str, path: str = "") -> str:
        """Where a service is asked, from this machine; "" for one that listens on no port."""
        return (
            f"http://{ANY_ADDRESS.get(self.host, self.host)}:{self.ports[name]}{path}"
            if self.ports[name]
            else ""
        )

    def save(self, home: Path) -> None:
        """Note it for the commands that look for what is up."""
        (folder(home) / "stack.json").write_text(json.dumps(asdict(self)), encoding="utf-8")


def folder(home: Path) -> Path:
    """`<home>/run`, made when it lacks."""
    return _private(home / "run")


def socket_path(home: Path) -> Path:
    """The socket of supervisord: in the run folder, or in a folder of our own when the path is too long for a socket."""
    near = folder(home)
    far = (
        Path(tempfile.gettempdir()) / f"streamflow-up-{sha256(os.fsencode(near)).hexdigest()[:12]}"
    )
    return (near if len(os.fsencode(near)) <= SOCKET_LIMIT else _private(far)) / "up"


def _private(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_uid != os.geteuid():
        raise ServiceFailed(
            f"{path}: it belongs to another user", remedy="Remove it, or set STREAMFLOW_HOME."
        )
    path.chmod(0o700)
    return path


def claim(home: Path) -> int | None:
    """The descriptor of the lock that says that something is up here; None when another process holds it."""
    descriptor = os.open(folder(home) / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_up(home: Path) -> bool:
    """Whether something is up here, starting or stopping."""
    if not (home / "run").is_dir():
        return False
    descriptor = claim(home)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def current(home: Path) -> Stack | None:
    """What is up here; None when nothing is."""
    file = home / "run" / "stack.json"
    if not is_up(home) or not file.is_file():
        return None
    return Stack(**json.loads(file.read_text(encoding="utf-8")))


def choose_ports(names: Sequence[str], host: str, wanted: Mapping[str, int]) -> dict[str, int]:
    """A port for each service: the one that is wanted, or where it is taken the next free one."""
    ports: dict[str, int] = {}
    for name in names:
        setting = BY_NAME[name].port
        ports[name] = _next_free(host, wanted[setting], set(ports.values())) if setting else 0
    return ports


def _next_free(host: str, first: int, given: set[int]) -> int:
    candidates = range(first, min(first + 100, 65536)) if first else ()
    for port in candidates:
        if port not in given:
            try:
                return require_port(host, port)
            except PortTaken:
                continue
    return free_port(host)
