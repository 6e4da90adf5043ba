"""Numbers of forms that may be sent only once: a second click finds its number used."""

from __future__ import annotations

from secrets import token_urlsafe
from threading import Lock

NUMBER_BYTES = 16
MAX_NUMBERS = 10_000


class FormSentBefore(Exception):
    """This form was sent before, or it is older than the console remembers."""


class FormNumbers:
    """The numbers that were given out and not used yet. The oldest ones are forgotten."""

    def __init__(self) -> None:
        self._unused: dict[str, None] = {}
        self._lock = Lock()

    def give_out(self) -> str:
        """Return a new number for a form."""
        number = token_urlsafe(NUMBER_BYTES)
        with self._lock:
            while len(self._unused) >= MAX_NUMBERS:
                del self._unused[next(iter(self._unused))]
            self._unused[number] = None
        return number

    def use(self, number: str) -> None:
        """Use a number.

        Raises:
            FormSentBefore: it was used before, or was never given out.
        """
        with self._lock:
            if number not in self._unused:
                raise FormSentBefore
            del self._unused[number]
