"""A part of supervisord's own process: how often each service was started again, which supervisor itself does not count."""

from __future__ import annotations

from collections import Counter
from typing import Any

from supervisor import events


class Restarts:
    """The namespace `streamflow` of supervisord's XML-RPC."""

    def __init__(self) -> None:
        self._starts: Counter[str] = Counter()
        events.subscribe(events.ProcessStateStartingEvent, self._count)

    def _count(self, event: Any) -> None:
        self._starts[event.process.config.name] += 1

    def restarts(self) -> dict[str, int]:
        """Service -> how often it was started again."""
        return {name: starts - 1 for name, starts in self._starts.items()}


def make(_supervisord: object) -> Restarts:
    """What supervisord's configuration names."""
    return Restarts()
