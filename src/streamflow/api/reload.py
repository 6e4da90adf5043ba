"""The version that answers, kept to what the registry says: asked, loaded and tried beside the requests, then swapped whole."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Literal

from streamflow.api.serving_status import Current
from streamflow.database import translated
from streamflow.errors import StreamflowError, VersionMissing
from streamflow.platform import Platform, require_migrated
from streamflow.steps.serving.predict import Serving, serving_of
from streamflow.steps.stages.transitions import Held, held

EVERY_S = 1.0  # a change is served within 5 s: this, the answer of the registry and the loading
LONG_S = 5.0  # a question that takes longer is said
FIRST_S = 20.0  # that a worker takes no requests for want of a version
AGAIN_S = 10.0  # after a version could not be loaded


class Reload:
    """A thread of its own asks the registry every second: one that is slow or away holds up no request."""

    def __init__(
        self, platform: Platform, counted: Callable[[Literal["swapped", "refused"]], None]
    ) -> None:
        self.current = Current(refused="the version in Production is being looked up")
        self._platform, self._counted = platform, counted
        self._ended, self._looked = Event(), Event()
        self._migrated = False
        self._asking: float | None = None  # since when the question that is under way is
        self._refused: tuple[int, float] | None = (
            None  # a version that could not be loaded, and when it was tried
        )
        self._thread = Thread(target=self._work, name="reload", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    async def first_look(self) -> None:
        """Until the registry was asked once, or cannot be for so long."""
        await asyncio.to_thread(self._looked.wait, FIRST_S)

    def stop(self) -> None:
        """Ask no more. A question that is on its way ends with the process."""
        self._ended.set()

    @property
    def slow(self) -> tuple[str, ...]:
        """A note while a question takes long: a network that is dead may keep it for minutes."""
        began = self._asking
        took = 0.0 if began is None else time.monotonic() - began
        return (
            (f"the registry was asked {took:.0f} s ago and has not answered",)
            if took > LONG_S
            else ()
        )

    def serving(self) -> Serving:
        """The version that answers. Raises VersionMissing."""
        current = self.current
        if current.serving is None:
            raise VersionMissing(current.refused)
        return current.serving

    def _work(self) -> None:
        while not self._ended.is_set():
            self._asking = time.monotonic()
            try:
                self._look()
            except StreamflowError as error:
                self._cannot(f"the registry cannot be asked: {error.message}")
            except (
                Exception
            ) as error:  # it would end the thread, and what was said last would stand for ever
                self._cannot(f"the registry cannot be asked: {type(error).__name__}")
            self._asking = None
            self._looked.set()
            gc.enable()  # `serve` starts without: half of what a start makes lives as long as the process
            self._ended.wait(EVERY_S)

    def _cannot(self, why: str) -> None:
        """Go on with what answers; the next look says more."""
        refused = "" if self.current.serving else why
        self.current = replace(self.current, notes=(why,), refused=refused)

    def _look(self) -> None:
        self._platform.forget_lost_connection()
        with translated(self._platform.login):
            self._require_migrated()
            found = held(self._platform)
            current, number = self.current, found.version
            if number is None:
                why = f"no version of {self._platform.catalog.model} is in Production"
                self.current = Current(refused=why, notes=found.notes)
            elif current.serving is not None and current.serving.version == number:
                self.current = replace(current, since=found.since, refused="", notes=found.notes)
            elif (
                self._refused is not None
                and self._refused[0] == number
                and time.monotonic() < self._refused[1] + AGAIN_S
            ):
                self.current = replace(current, notes=found.notes)
            else:
                self._load(number, found)

    def _require_migrated(self) -> None:
        """Once: PostgreSQL may have been away when we began."""
        if not self._migrated:
            require_migrated(self._platform)
            self._migrated = True

    def _load(self, number: int, found: Held) -> None:
        try:
            serving = serving_of(self._platform, self._platform.models.version(number))
        except (
            Exception
        ) as error:  # whatever it is: the former version goes on, and it is said and counted
            self._refused = number, time.monotonic()
            said = error.message if isinstance(error, StreamflowError) else type(error).__name__
            why = f"version {number} is in Production and cannot be served: {said}"
            self.current = replace(self.current, refused=why, notes=found.notes)
            self._counted("refused")
            return
        _ = serving.policy  # made at its first use: now, not at a request
        if self.current.serving is None:
            gc.freeze()  # the collector passes over all that vendors have made: to look through it holds up requests for 0.2 s
        self._refused = None
        self.current = Current(
            serving=serving, since=found.since, loaded=datetime.now(UTC), notes=found.notes
        )
        self._counted("swapped")
