"""Runs a command that must not outlive the process which asked for it. Started as a script, with the standard library only.

usage: python -I -S tether.py FD COMMAND [ARG ...]

FD is the reading end of a pipe whose writing end only the asking process holds: end of file means that it is gone, however
it ended, and the command's whole process group is stopped: with SIGTERM, and 3 s later with SIGKILL.
"""

import os
import select
import signal
import subprocess
import sys
import time

GRACE_S = 3.0


def main() -> int:
    """Wait for the command or for the end of file, whichever comes first."""
    pipe, command = int(sys.argv[1]), sys.argv[2:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the asking process; the pipe then tells us
    child = subprocess.Popen(command, process_group=0)
    signal.signal(signal.SIGTERM, lambda *_: stop(child))
    while child.poll() is None:
        if select.select([pipe], [], [], 0.2)[0]:
            stop(child)
    stop(child)  # what the command itself left in its group
    return child.returncode


def stop(child: "subprocess.Popen[bytes]") -> None:
    """End the group of `child`."""
    for number, grace in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, 0.5)):
        try:
            os.killpg(child.pid, number)
        except (ProcessLookupError, PermissionError):  # nobody is left; macOS says EPERM for a group of zombies
            return
        end = time.monotonic() + grace
        while time.monotonic() < end and child.poll() is None:
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
