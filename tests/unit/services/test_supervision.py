"""What is said of a service that supervisord cannot start any more."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from threading import Timer

import pytest
from support.processes import wait_for

from streamflow.errors import ServiceFailed
from streamflow.services.running_stack import Stack, take_lock
from streamflow.services.supervision import supervised

STACK = Stack(host="127.0.0.1", ports={"reconcile": 0}, prefect_url="")


def test_a_service_that_starts_while_down_stops_all_is_said_to_be_stopped(tmp_path: Path) -> None:
    lock = take_lock(tmp_path)
    assert lock is not None
    with supervised(tmp_path, STACK, dict(os.environ), lock) as supervisor:
        supervisor._call("supervisor.shutdown")  # as `down` does, from a different process
        with pytest.raises(ServiceFailed, match="supervisord does not start reconcile"):
            supervisor.start("reconcile")
        assert wait_for(lambda: not supervisor.alive())
        with pytest.raises(ServiceFailed, match="supervisord does not start reconcile"):
            supervisor.start("reconcile")
    os.close(lock)


def resume(pid: int) -> None:
    with suppress(ProcessLookupError):  # some kernels end a process that is halted
        os.kill(pid, signal.SIGCONT)


def test_who_stops_what_somebody_else_is_stopping_waits_for_the_end(tmp_path: Path) -> None:
    lock = take_lock(tmp_path)
    assert lock is not None
    with supervised(tmp_path, STACK, dict(os.environ), lock) as supervisor:
        supervisor.start("reconcile")
        (process,) = supervisor.processes()
        os.kill(process.pid, signal.SIGSTOP)  # it does not end before it is continued
        supervisor._call("supervisor.shutdown")
        Timer(1.0, resume, [process.pid]).start()
        supervisor.stop()
        assert not supervisor.alive()
    os.close(lock)
