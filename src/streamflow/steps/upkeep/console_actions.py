"""Record the work that is started from a page of the console, and list it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from streamflow.errors import StreamflowError
from streamflow.platform import Platform
from streamflow.warehouse import console_actions
from streamflow.warehouse.console_actions import ActionLine as ActionLine  # noqa: PLC0414
from streamflow.warehouse.console_actions import NewAction as NewAction  # noqa: PLC0414

Result = TypeVar("Result")
UNFORESEEN = "an unforeseen error"
INTERRUPTED = "the console was stopped"


def record_work(
    platform: Platform,
    action: NewAction,
    work: Callable[[], Result],
    describe: Callable[[Result], str],
) -> Result:
    """Do some work, and record before it who starts it, and after it how it ended.

    Args:
        platform: the open platform
        action: who starts what
        work: does the work and returns its receipt
        describe: returns the outcome of a receipt in one line, without the key of a user
    """
    connection = platform.connection
    with console_actions.hold_work(connection, action.job):
        console_actions.record_state(connection, action, "started")
        try:
            receipt = work()
        except (Exception, KeyboardInterrupt) as error:
            platform.forget_lost_connection()
            outcome = _describe_error(error)
            console_actions.record_state(platform.connection, action, "failed", outcome)
            raise
        console_actions.record_state(connection, action, "done", describe(receipt))
    return receipt


def _describe_error(error: BaseException) -> str:
    """Return the kind of an error. Its message is not stored: it may name a user."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return error.code if isinstance(error, StreamflowError) else UNFORESEEN


def list_actions(
    platform: Platform,
    *,
    below: int | None = None,
    limit: int,
) -> list[ActionLine]:
    """List the work that was started from pages, the newest first."""
    return console_actions.newest_actions(platform.connection, below=below, limit=limit)


def find_action(platform: Platform, job: str) -> ActionLine | None:
    """Return the work of one job; None: there is no such job."""
    lines = console_actions.newest_actions(platform.connection, job=job, limit=1)
    return lines[0] if lines else None
