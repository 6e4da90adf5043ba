"""The result of one check of `doctor`, also where the check itself fails with an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from streamflow.errors import DatabaseUnavailable, StreamflowError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check of `doctor`.

    Attributes:
        subject: The thing that was checked.
        ok: Whether it is as it should be. A result that is only a note is ok, too: its text in
            `found` begins with "note:".
        found: What the check found, in words.
        remedy: What a person can do when it is not ok.
        fixable: Whether `doctor --fix` can correct it without losing anything.
    """

    subject: str
    ok: bool
    found: str
    remedy: str = ""
    fixable: bool = False


def run_check(subject: str, check: Callable[[], Finding]) -> Finding:
    """Run one check, and turn an error into a finding, so that it does not hide the other findings.

    This holds for the errors of streamflow, of PostgreSQL and of the operating system.
    """
    try:
        return check()
    except StreamflowError as error:
        return describe_error(subject, error)
    except (psycopg.Error, OSError) as error:
        return Finding(
            subject=subject,
            ok=False,
            found=str(error).strip(),
            remedy="Correct the other findings first.",
        )


def describe_error(subject: str, error: StreamflowError) -> Finding:
    """Turn an error into a finding.

    The usual remedy for a database that does not answer is "run doctor". That is no help here, so
    the finding gets a different one.
    """
    remedy = error.remedy
    if isinstance(error, DatabaseUnavailable) and error.remedy == DatabaseUnavailable.remedy:
        remedy = "Start the server, or correct STREAMFLOW_DATABASE_URL."
    return Finding(subject=subject, ok=False, found=error.message, remedy=remedy)
