"""The condition of one service of `up`: one line of `streamflow status`, and of a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Condition:
    """The condition of one service.

    Attributes:
        state: "up", "starting", "waiting" (it died and is started again soon) or "stopped".
        since: When it was started or stopped.
        restarts: How often it was started again.
        note: Why the API cannot predict yet; empty when it can, and for all remaining services.
    """

    service: str
    state: str
    since: datetime | None
    pid: int
    address: str
    restarts: int
    note: str = ""
