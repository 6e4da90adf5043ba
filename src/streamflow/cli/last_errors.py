"""Recognise what ended a command: Ctrl-C, a path that the system refused, or a foreign text."""

from __future__ import annotations

import errno
import re

from streamflow.errors import DiskFull, StreamflowError
from streamflow.interrupts import is_caused_by_interrupt

DISK_FULL_NUMBERS = (errno.ENOSPC, errno.EDQUOT)
# Why the system refuses a path that a user or an administrator chose. A file that is missing is
# not among them: it can be a mistake of ours.
REFUSAL_NUMBERS = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EMFILE,
    errno.ENFILE,
)
# What Python says if all folders for temporary files are full. The error number is that of a
# missing file.
NO_TEMPORARY_FOLDER = "No usable temporary directory"
# The bytes that Python could not decode in an argument.
FOREIGN_BYTES = re.compile("[\udc80-\udcff]")
INTERRUPTED_EXIT_CODE = 130  # typer ends a command with it after Ctrl-C


def was_interrupted(error: BaseException) -> bool:
    """Return whether Ctrl-C is the cause of an error, or of an exit with the code 130."""
    if isinstance(error, SystemExit) and error.code != INTERRUPTED_EXIT_CODE:
        return False
    return is_caused_by_interrupt(error)


def explain_system_error(error: Exception) -> StreamflowError | None:
    """Return our error for a path that the operating system refused.

    Returns:
        None if the error is a different one.
    """
    if not isinstance(error, OSError):
        return None
    if error.errno in DISK_FULL_NUMBERS:
        return DiskFull(f"{error.filename or 'a file'}: {error.strerror}")
    if NO_TEMPORARY_FOLDER in str(error.strerror):
        return StreamflowError(
            f"no temporary file can be written: {error.strerror}",
            state="What was not committed is rolled back.",
            remedy="Free some space there, or set TMPDIR, and run the command again.",
        )
    if error.filename is None or error.errno not in REFUSAL_NUMBERS:
        return None
    return StreamflowError(
        f"{error.filename}: {error.strerror}",
        state="What was not committed is rolled back.",
        remedy="Correct the path or its permissions, and run the command again.",
    )


def explain_foreign_text(error: Exception) -> StreamflowError | None:
    """Return our error for a text of the command line that is not UTF-8.

    Python keeps each byte that it cannot decode as half of a surrogate pair, which nothing that is
    stored can hold.

    Returns:
        None if the error is a different one.
    """
    if not isinstance(error, UnicodeEncodeError):
        return None
    if not FOREIGN_BYTES.search(error.object):
        return None
    return StreamflowError(
        "a text of the command line is not UTF-8",
        state="What was not committed is rolled back.",
        remedy="Set the terminal to UTF-8, and run the command again.",
    )
