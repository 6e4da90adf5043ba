"""Ask something that may take long, once for all pages."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class SharedQuestion(Generic[Answer]):
    """A question to a different process.

    Pages that ask at the same time share one answer. While nobody answers, one thread waits,
    however many pages ask.

    Args:
        ask: asks the question, and returns the answer or raises
    """

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask = ask
        self._lock = Lock()
        self._pending: Future[Answer] | None = None

    def begin(self) -> Future[Answer]:
        """Ask, unless somebody has asked and waits. Return what will hold the answer."""
        with self._lock:
            pending = self._pending
            if pending is None or pending.done():
                pending = Future()
                Thread(target=self._fetch, args=[pending], daemon=True).start()
                self._pending = pending
        return pending

    def _fetch(self, pending: Future[Answer]) -> None:
        try:
            answer = self._ask()
        # The page that waits gets it, whatever it is.
        except Exception as error:  # noqa: BLE001
            pending.set_exception(error)
        else:
            pending.set_result(answer)
