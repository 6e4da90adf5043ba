"""Run the Prefect flows of one command: start a server, prepare meanwhile, and send the logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamflow.cli.context import Invocation

if TYPE_CHECKING:
    from streamflow.platform import Platform


@contextmanager
def flow_server(
    call: Invocation,
    platform: Platform,
    *,
    prepare: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Start Prefect's server, so that flows can run in this process inside the block.

    Import `streamflow.flows` only inside the block: Prefect reads the URL of its server when it is
    imported.

    Args:
        prepare: work of the command that is done while the server starts.
    """
    with prefect_server_ready(call, platform, prepare=prepare):
        from streamflow.flows import prefect_flushed

        with prefect_flushed():
            yield


@contextmanager
def prefect_server_ready(
    call: Invocation,
    platform: Platform,
    *,
    prepare: Callable[[], None],
    schedules: bool = False,
) -> Iterator[None]:
    """Start Prefect's server for the block. No flow has to run in this process.

    Args:
        prepare: work of the command that is done while the server starts.
        schedules: whether the server creates runs for schedules.
    """
    from streamflow.services.prefect_server import prefect_server

    with prefect_server(
        platform.environment,
        platform.home,
        notify=call.notify,
        schedules=schedules,
    ) as wait_until_ready:
        prepare()
        wait_until_ready()
        yield
