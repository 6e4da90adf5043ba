"""Count how often each service was started again, because supervisor does not count it.

This module runs as a part of supervisord's process.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from supervisor import events


class Restarts:
    """The namespace `streamflow` of supervisord's XML-RPC interface."""

    def __init__(self) -> None:
        self._starts: Counter[str] = Counter()
        events.subscribe(events.ProcessStateStartingEvent, self._count)

    def _count(self, event: Any) -> None:
        """Count one start of a service."""
        self._starts[event.process.config.name] += 1

    def restarts(self) -> dict[str, int]:
        """Return for each service how often it was started again."""
        return {name: starts - 1 for name, starts in self._starts.items()}


def make(_supervisord: object) -> Restarts:
    """Make the namespace. The configuration of supervisord names this function."""
    return Restarts()
