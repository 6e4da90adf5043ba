"""What the API knows of itself at one instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streamflow.steps.serving.predict import Serving


@dataclass(frozen=True, kw_only=True)
class Current:
    """What answers now, and why nothing else does. Replaced as a whole, so that who reads it sees one state.

    since    from when on the version holds Production, by the ledger; None where the ledger does not know it yet
    loaded   from when on this process answers with it
    refused  why the version that should answer does not; the one here goes on
    notes    what ledger, stages and aliases do not agree on
    """

    serving: Serving | None = None
    since: datetime | None = None
    loaded: datetime | None = None
    refused: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look at the parts of a prediction found."""

    reasons: tuple[str, ...]  # why no prediction could be made now; empty when one could
    notes: tuple[str, ...]  # what should be looked at while the served version goes on
    current: Current
    as_of: datetime | None  # of the live features
    waiting: int
    pool: dict[str, int]
