"""Brings a stack up: its services in their order, each as early as what it needs is there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from streamflow.services.health import wait_until_up
from streamflow.services.prefect_server import one_at_a_time
from streamflow.services.running_stack import Stack
from streamflow.services.supervision import Supervisor


def start(
    stack: Stack,
    supervisor: Supervisor,
    *,
    prepare: Callable[[], None],
    notify: Callable[[str], None],
) -> None:
    """Start all and wait until all are up. `prepare` makes the database ready: Prefect's server starts meanwhile.

    Raises ServiceFailed.
    """
    with ExitStack() as migrating:
        if "prefect" in stack.ports:
            migrating.enter_context(one_at_a_time(supervisor.home))
        prepared = False
        for program in stack.programs:
            if program.database and not prepared:
                prepare()
                prepared = True
            if program.name == "worker" and "prefect" in stack.ports:
                wait_until_up(stack, supervisor, "prefect", lambda _: None)
                migrating.close()
            supervisor.start(program.name)
        for program in stack.programs:
            wait_until_up(stack, supervisor, program.name, notify)
