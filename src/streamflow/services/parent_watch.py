"""Run a command that must end when the process that started it ends.

This file is started as a script, and uses the standard library only.

usage: python -I -S parent_watch.py FD GRACE COMMAND [ARG ...]

FD is the reading end of a pipe. Only the starting process holds its writing end. End of file on
the pipe means that the starting process is gone, however it ended.

This process forks a watcher and then becomes the command. At end of file, the watcher stops the
command's whole process group: with SIGTERM, and GRACE seconds later with SIGKILL. It does so too
when the command ends, for the processes that the command left in its group.

So no process stands between the starting process and the command: the process id, the signals and
the exit code are the command's own.
"""

import os
import select
import signal
import sys
import time

KILL_WAIT_S = 0.5  # how long to wait after SIGKILL


def main() -> None:
    """Fork the watcher, then become the command, as the leader of a new process group."""
    pipe = int(sys.argv[1])
    grace_s = float(sys.argv[2])
    command = sys.argv[3:]
    leader = os.getpid()
    if os.getpgrp() != leader:
        os.setpgid(0, 0)
    if os.fork() == 0:
        # The watcher leaves the group that it stops, so that Ctrl-C does not reach it.
        os.setsid()
        watch(pipe, leader, grace_s)
        os._exit(0)
    os.set_inheritable(pipe, False)
    if pipe == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    # Without a shell, the arguments are passed as they are.
    os.execvp(command[0], command)  # noqa: S606


def watch(pipe: int, leader: int, grace_s: float) -> None:
    """Wait until the pipe is at its end or the command has ended, then stop the process group.

    Args:
        leader: The process id of the command, which is also the id of its group.
        grace_s: The seconds between SIGTERM and SIGKILL.
    """
    while os.getppid() == leader:
        if select.select([pipe], [], [], 0.2)[0]:
            break
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, KILL_WAIT_S)):
        deadline = time.monotonic() + wait_s
        try:
            os.killpg(leader, number)
            while time.monotonic() < deadline:
                time.sleep(0.05)
                os.killpg(leader, 0)
        except (ProcessLookupError, PermissionError):
            # No process is left. macOS says EPERM for a group of zombies.
            return


if __name__ == "__main__":
    main()
