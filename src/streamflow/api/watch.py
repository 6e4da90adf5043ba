"""What the registry says, asked beside the requests: a registry that is slow or away holds up nobody."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

from streamflow.errors import StreamflowError

EVERY_S = 5.0


class Watch:
    """Asks every few seconds, in a thread of its own. `notes` is the newest answer; empty until there is one."""

    def __init__(self, ask: Callable[[], list[str]]) -> None:
        self.notes: tuple[str, ...] = ()
        self._ask, self._ended = ask, Event()
        self._thread = Thread(target=self._work, name="watch", daemon=True)

    def start(self) -> None:
        """Begin; the first answer comes as soon as the registry gives one."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. A question that is on its way ends with the process."""
        self._ended.set()

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                self.notes = tuple(self._ask())
            except StreamflowError as error:
                self.notes = (f"the registry cannot be asked: {error.message}",)
            except Exception as error:  # noqa: BLE001  # it would end the thread, and what was said last would stand for ever
                self.notes = (f"the registry cannot be asked: {type(error).__name__}",)
            self._ended.wait(EVERY_S)
