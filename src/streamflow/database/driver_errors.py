"""Translate errors of the drivers that any statement can cause at any time into our errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import adbc_driver_manager
import psycopg

from streamflow.database.address import Address
from streamflow.errors import DatabaseUnavailable, DiskFull, SnapshotDamaged, StreamflowError

# The system's message, in the log of PostgreSQL and in its errors.
DISK_FULL_MESSAGE = "No space left on device"
# SQLSTATE of a full disk.
DISK_FULL_STATE = "53100"
# SQLSTATE of our own trigger on streamflow.revision: frozen rows are there that no command wrote.
STRAY_ROWS_STATE = "23000"
# Beginnings of SQLSTATE: the connection failed, or an operator or a crash ended it.
CONNECTION_LOST_STATES = ("08", "57P")
# The errors of drivers among which are those that have a translation.
TRANSLATED_ERRORS = (psycopg.OperationalError, psycopg.IntegrityError, adbc_driver_manager.Error)


@contextmanager
def translate_errors(
    address: Address,
    read_log_end: Callable[[], str] = lambda: "",
) -> Iterator[None]:
    """Raise DiskFull, DatabaseUnavailable or SnapshotDamaged for a driver's error in this block.

    SQLAlchemy, with which vendors' packages work, wraps the errors of a driver. These count too.

    A DatabaseUnavailable of our own or of a vendor's package also becomes DiskFull if the server
    ended because its disk is full. Every other error passes as it is.

    Args:
        address: the database, for the message.
        read_log_end: returns the end of the server's log. A server that could not write to its disk
            ends the connection and gives no reason.
    """
    try:
        yield
    except DatabaseUnavailable as error:
        log_end = read_log_end()
        if DISK_FULL_MESSAGE not in log_end:
            raise
        raise _server_disk_full(address, log_end) from error
    except Exception as exc:
        driver_error = find_driver_error(exc)
        if not isinstance(driver_error, TRANSLATED_ERRORS):
            raise
        translation = _translate(driver_error, address, read_log_end)
        if translation is None:
            raise
        raise translation from exc


def find_driver_error(error: Exception) -> psycopg.Error | adbc_driver_manager.Error | None:
    """Return the error of a driver: the error itself, or the one that SQLAlchemy wrapped in it."""
    for candidate in (error, getattr(error, "orig", None)):
        if isinstance(candidate, psycopg.Error | adbc_driver_manager.Error):
            return candidate
    return None


def _server_disk_full(address: Address, log_end: str) -> DiskFull:
    return DiskFull(f"{address.display}: the server has no disk space left:\n{log_end}")


def _translate(
    error: psycopg.Error | adbc_driver_manager.Error,
    address: Address,
    last_words: Callable[[], str],
) -> StreamflowError | None:
    state = error.sqlstate or ""
    text = str(error).strip()
    first_line = text.splitlines()[0] if text else type(error).__name__
    if state == DISK_FULL_STATE or DISK_FULL_MESSAGE in text:
        return DiskFull(f"{address.display}: {first_line}")
    if state == STRAY_ROWS_STATE:
        return SnapshotDamaged(
            first_line,
            state="Nothing was frozen.",
            remedy="Run 'streamflow doctor': it names the rows that belong to no revision.",
        )
    is_about_connection = isinstance(error, psycopg.OperationalError) or "connection" in text
    has_no_reason = not state and is_about_connection
    if not state.startswith(CONNECTION_LOST_STATES) and not has_no_reason:
        return None
    log_end = last_words()
    if DISK_FULL_MESSAGE in log_end:
        return _server_disk_full(address, log_end)
    return DatabaseUnavailable(
        f"{address.display}: the connection was lost: {first_line}",
        state="What was not committed is rolled back.",
    )
