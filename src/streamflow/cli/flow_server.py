"""Run the Prefect flows of one command: start a server, prepare meanwhile, and send the logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamflow.cli.context import Invocation
from streamflow.errors import StreamflowError

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

        if not call.debug:
            hide_tracebacks()
        with prefect_flushed():
            yield


def hide_tracebacks() -> None:
    """Keep Prefect from printing the traceback of an error that the command line will report.

    Prefect still stores the traceback in the log of the flow run, which its pages show.
    """
    for handler in logging.getLogger().handlers:  # Prefect's console is the only one
        handler.addFilter(_is_no_error_of_ours)


def _is_no_error_of_ours(record: logging.LogRecord) -> bool:
    """Return whether a log record does not hold the traceback of one of our errors."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, StreamflowError)


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
