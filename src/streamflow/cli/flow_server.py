"""Run the Prefect flows of one command: start a server, prepare meanwhile, and send the logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamflow.cli.context import Invocation

if TYPE_CHECKING:
    from streamflow.platform import Platform

# What these loggers say of a failed run, the error of the command says too.
RUN_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")


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

    def prepare_and_import() -> None:
        prepare()
        # Importing Prefect takes as long as the start of its server, so both are done at once.
        import streamflow.flows  # noqa: F401

    with prefect_server_ready(call, platform, prepare=prepare_and_import):
        from streamflow.flows import PROGRESS_MARK, prefect_flushed

        if not call.debug:
            show_progress_only(call.notify, mark=PROGRESS_MARK)
        with prefect_flushed():
            yield


def show_progress_only(notify: Callable[[str], None], *, mark: str) -> None:
    """Replace Prefect's console: print the progress of our steps, and nothing that Prefect says.

    The command line reports the error of a flow itself. Prefect still stores all lines, and the
    tracebacks, in the log of the flow run, which its pages show.

    Args:
        notify: prints a line of progress.
        mark: the attribute of a log record that holds such a line.
    """
    logging.getLogger().handlers[:] = [_ProgressHandler(notify, mark)]


class _ProgressHandler(logging.Handler):
    """Pass the marked records to a function. Of the others, pass only what Prefect warns of."""

    def __init__(self, notify: Callable[[str], None], mark: str) -> None:
        super().__init__()
        self._notify = notify
        self._mark = mark

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on, or drop it."""
        if hasattr(record, self._mark):
            self._notify(record.getMessage())
        elif record.levelno >= logging.WARNING and not record.name.startswith(RUN_LOGGERS):
            self._notify(f"{record.name}: {record.getMessage()}")


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
