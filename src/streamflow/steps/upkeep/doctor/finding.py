"""The result of one check of `doctor`, also where the check itself fails with an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from streamflow.database import find_driver_error
from streamflow.errors import DatabaseUnavailable, StreamflowError


class State(StrEnum):
    """How a subject of `doctor` is, as the table and the JSON show it.

    OK     as it should be
    NOTE   worth knowing, but not a fault, such as a new installation without a model
    WRONG  a fault: somebody must do something
    """

    OK = "ok"
    NOTE = "note"
    WRONG = "WRONG"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check of `doctor`.

    Attributes:
        subject: The thing that was checked.
        state: Whether it is as it should be.
        text: What the check found, in words.
        remedy: What a person can do when the state is not ok.
        fixable: Whether `doctor --fix` can correct it without losing anything.
    """

    subject: str
    state: State
    text: str
    remedy: str = ""
    fixable: bool = False

    @property
    def is_wrong(self) -> bool:
        """Return whether somebody must do something, so that `doctor` ends with exit code 1."""
        return self.state == State.WRONG


def ok_or_wrong(is_healthy: bool) -> State:
    """Return the state of a check that knows no notes."""
    return State.OK if is_healthy else State.WRONG


def run_check(subject: str, check: Callable[[], Finding]) -> Finding:
    """Run one check, and turn an error into a finding, so that it does not hide the other findings.

    This holds for the errors of streamflow, of PostgreSQL and of the operating system.
    """
    try:
        return check()
    except StreamflowError as error:
        return describe_error(subject, error)
    except Exception as error:
        # A check of Feast or of frozen rows fails with an error of a different driver.
        known_error = error if isinstance(error, OSError) else find_driver_error(error)
        if known_error is None:
            raise
        return Finding(
            subject=subject,
            state=State.WRONG,
            text=str(known_error).strip(),
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
    return Finding(subject=subject, state=State.WRONG, text=error.message, remedy=remedy)
