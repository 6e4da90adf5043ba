"""Bring a stack up: start its services in order, each as soon as everything it needs is there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from streamflow.services.health import wait_until_up
from streamflow.services.prefect_server import one_at_a_time
from streamflow.services.running_stack import Stack
from streamflow.services.supervision import Supervisor


def start_stack(
    stack: Stack,
    supervisor: Supervisor,
    *,
    prepare: Callable[[], None],
    notify: Callable[[str], None],
) -> None:
    """Start all services and wait until all are up.

    Args:
        prepare: Makes the database ready. Prefect's server starts in the meantime.

    Raises:
        ServiceFailed: A service does not come up.
    """
    with ExitStack() as prefect_start:
        if "prefect" in stack.ports:
            prefect_start.enter_context(one_at_a_time(supervisor.home))
        is_prepared = False
        for program in stack.programs:
            if program.database and not is_prepared:
                prepare()
                is_prepared = True
            if program.name == "worker" and "prefect" in stack.ports:
                wait_until_up(stack, supervisor, "prefect", notify)
                prefect_start.close()
            supervisor.start(program.name)
        for program in stack.programs:
            wait_until_up(stack, supervisor, program.name, notify)
            notify(f"{program.name} is up {stack.url(program.name, program.page)}".rstrip())
