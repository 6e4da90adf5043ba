"""What doctor says about one thing that it looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from streamflow.errors import DatabaseUnavailable, StreamflowError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at. `fixable`: `doctor --fix` can mend it without losing anything."""

    subject: str
    ok: bool
    found: str
    remedy: str = ""
    fixable: bool = False


def looked_at(subject: str, look: Callable[[], Finding]) -> Finding:
    """What `look` finds; an error of ours or of PostgreSQL is a finding too, so that it hides no other."""
    try:
        return look()
    except StreamflowError as error:
        return of_error(subject, error)
    except (psycopg.Error, OSError) as error:
        return Finding(
            subject=subject,
            ok=False,
            found=str(error).strip(),
            remedy="Mend the other findings first.",
        )


def of_error(subject: str, error: StreamflowError) -> Finding:
    """The error as a finding. A database that does not answer says "run doctor", which is no help here."""
    unreachable = (
        isinstance(error, DatabaseUnavailable) and error.remedy == DatabaseUnavailable.remedy
    )
    remedy = (
        "Start the server, or correct STREAMFLOW_DATABASE_URL." if unreachable else error.remedy
    )
    return Finding(subject=subject, ok=False, found=error.message, remedy=remedy)
