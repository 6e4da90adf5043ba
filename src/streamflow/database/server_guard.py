"""The guard of one embedded server: stops it when nobody uses it any more. Run as a script, with the standard library only.

usage: python -I -S guard.py ROOT

Whoever uses the server holds a shared lock on ROOT/clients.lock, which the kernel frees however that process ends. The guard
waits for the exclusive one; holding it, no new user can come, and the server (which holds ROOT/server.lock) is stopped.
"""

import fcntl
import os
import signal
import sys
import time

TAKEOVER_S = 1.0
PATIENCE = (
    (signal.SIGINT, 30.0),
    (signal.SIGQUIT, 5.0),
    (signal.SIGKILL, 5.0),
)  # PostgreSQL: fast, immediate, none


def main(root: str) -> int:
    """Wait, stop, leave."""
    guard, clients, server = (
        os.open(f"{root}/{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        for name in ("guard", "clients", "server")
    )
    end = time.monotonic() + TAKEOVER_S
    while not try_lock(guard):
        if time.monotonic() > end:
            return 0  # another guard is on duty; who only asks whether one is holds the lock for a moment
        time.sleep(0.02)
    fcntl.flock(clients, fcntl.LOCK_EX)
    stopped = stop(root, server)
    os.close(
        guard
    )  # before the clients' lock, which goes with this process: the next user must see that it needs a guard
    return 0 if stopped else 1


def stop(root: str, server: int) -> bool:
    """Ask the server to end, more and more firmly; whether it did."""
    for number, seconds in PATIENCE:
        end, told = time.monotonic() + seconds, False
        while not try_lock(server):
            told = told or tell(root, number)
            if time.monotonic() > end:
                break
            time.sleep(0.02)
        else:
            return True
    return False


def try_lock(descriptor: int) -> bool:
    """Take an exclusive lock if nobody holds one."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def tell(root: str, number: int) -> bool:
    """Signal the postmaster, once it has written its pid; the lock says that it is alive, the file only where."""
    try:
        with open(
            f"{root}/data/postmaster.pid", encoding="ascii"
        ) as file:  # pathlib is slow to import
            os.kill(int(file.readline()), number)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
