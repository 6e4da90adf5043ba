"""The phases of a turn: of requests that are answered together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import perf_counter

from streamflow.api.metrics import Metrics
from streamflow.api.pending_request import PendingRequest, Phase


class Turn:
    """The phases of requests that are answered together, each with its time limit.

    Args:
        requests: the requests.
        metrics: get the duration of each phase.
        timeout: breaks the turn off.
        limit_s: how long a phase may take, in seconds.
    """

    def __init__(
        self,
        requests: Sequence[PendingRequest],
        metrics: Metrics,
        timeout: asyncio.Timeout,
        limit_s: float,
    ) -> None:
        self._requests = requests
        self._metrics = metrics
        self._timeout = timeout
        self._limit_s = limit_s
        self._phase: Phase | None = None
        self._entered = 0.0

    def enter(self, phase: Phase) -> None:
        """End the phase before, and begin this one."""
        self.end_phase()
        for request in self._requests:
            request.enter(phase)
        self._phase = phase
        self._entered = perf_counter()
        # One timer for all phases: to begin a new one for each takes longer.
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._limit_s)

    def end_phase(self) -> None:
        """Record how long the present phase took, if there is one."""
        if self._phase is not None:
            self._metrics.observe_phase(self._phase, perf_counter() - self._entered)
            self._phase = None


@asynccontextmanager
async def begin_turn(
    requests: Sequence[PendingRequest], metrics: Metrics, *, limit_s: float
) -> AsyncIterator[Turn]:
    """End the phase `queue` of the requests, and let them go through the other phases.

    Args:
        requests: the requests.
        metrics: get the duration of each phase.
        limit_s: how long a phase may take, in seconds.

    Raises:
        TimeoutError: a phase took longer.
    """
    for request in requests:
        metrics.observe_phase("queue", perf_counter() - request.entered)
    async with asyncio.timeout(None) as timeout:
        turn = Turn(requests, metrics, timeout, limit_s)
        try:
            yield turn
        finally:
            turn.end_phase()
