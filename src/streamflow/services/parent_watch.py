"""Becomes a command that must not outlive the process which asked for it. Started as a script, with the standard library only.

usage: python -I -S tether.py FD GRACE COMMAND [ARG ...]

FD is the reading end of a pipe whose writing end only the asking process holds: end of file means that it is gone, however
it ended. A watcher, forked off before this process becomes the command, then stops the command's whole process group: with
SIGTERM, and GRACE seconds later with SIGKILL. It does so too when the command ends, for what that left in its group. So
nobody stands between the asking process and the command: its pid, its signals and its exit code are the command's own.
"""

import os
import select
import signal
import sys
import time


def main() -> None:
    """Fork the watcher off, then become the command, at the head of a process group of its own."""
    pipe, grace, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    leader = os.getpid()
    if os.getpgrp() != leader:
        os.setpgid(0, 0)
    if os.fork() == 0:
        os.setsid()  # out of the group that it stops, and of Ctrl-C's reach
        watch(pipe, leader, grace)
        os._exit(0)
    os.set_inheritable(pipe, False)
    if pipe == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.execvp(command[0], command)  # no shell: the words are given


def watch(pipe: int, leader: int, grace: float) -> None:
    """Wait for the end of file or of the command, whichever comes first, and stop the group."""
    while os.getppid() == leader:
        if select.select([pipe], [], [], 0.2)[0]:
            break
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 0.5)):
        end = time.monotonic() + seconds
        try:
            os.killpg(leader, number)
            while time.monotonic() < end:
                time.sleep(0.05)
                os.killpg(leader, 0)
        except (
            ProcessLookupError,
            PermissionError,
        ):  # nobody is left; macOS says EPERM for a group of zombies
            return


if __name__ == "__main__":
    main()
