"""The guard of one embedded server: it stops the server when nobody uses it any more.

usage: python -I -S server_guard.py ROOT

It runs as a script of its own, with the standard library only.

Each process that uses the server holds a shared lock on ROOT/clients.lock. The kernel frees this
lock however the process ends. The guard waits for the exclusive lock on the same file. While it
holds that lock no new user can come, so it stops the server, which holds ROOT/server.lock.
"""

import fcntl
import os
import signal
import sys
import time

TAKEOVER_S = 1.0
# The signal, and the seconds to wait after it. PostgreSQL calls the first two shutdowns fast and
# immediate. The third kills it.
SHUTDOWN_SIGNALS = (
    (signal.SIGINT, 30.0),
    (signal.SIGQUIT, 5.0),
    (signal.SIGKILL, 5.0),
)


def main(root: str) -> int:
    """Wait until nobody uses the server, stop it, and return the exit code."""
    guard, clients, server = (
        os.open(f"{root}/{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        for name in ("guard", "clients", "server")
    )
    deadline = time.monotonic() + TAKEOVER_S
    while not try_lock(guard):
        if time.monotonic() > deadline:
            # Another guard is at work. A process that only looks for a guard holds the lock for a
            # moment.
            return 0
        time.sleep(0.02)
    fcntl.flock(clients, fcntl.LOCK_EX)
    has_stopped = stop_server(root, server)
    # Free this lock before the lock of the clients, which is freed when this process ends: the
    # next user must see that it needs a new guard.
    os.close(guard)
    return 0 if has_stopped else 1


def stop_server(root: str, server: int) -> bool:
    """Signal the server to end, more strongly each time, and return whether it has ended."""
    for number, seconds in SHUTDOWN_SIGNALS:
        deadline = time.monotonic() + seconds
        is_signalled = False
        while not try_lock(server):
            is_signalled = is_signalled or signal_server(root, number)
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return True
    return False


def try_lock(descriptor: int) -> bool:
    """Take an exclusive lock if nobody holds the lock, and return whether it was taken."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def signal_server(root: str, number: int) -> bool:
    """Send a signal to the main process of PostgreSQL, once it has written its pid.

    The lock shows that the process is alive. The file only names its pid.

    Returns:
        whether the signal was sent.
    """
    try:
        # pathlib would take long to import.
        with open(f"{root}/data/postmaster.pid", encoding="ascii") as file:  # noqa: PTH123
            os.kill(int(file.readline()), number)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
