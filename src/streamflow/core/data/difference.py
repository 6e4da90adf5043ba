"""One difference between what was recorded and what is there today."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as it was. `recorded` or `now` is None where that side has no such thing.

    what    where it is: table, key and column; a feature's definition; a file; a package; a setting
    note    what else a person needs to act on it
    """

    what: str
    recorded: str | None
    now: str | None
    note: str = ""

    def __str__(self) -> str:
        """One line."""
        change = f"{_shown(self.recorded)} -> {_shown(self.now)}"
        return f"{self.what}: {change}{f' ({self.note})' if self.note else ''}"


def _shown(value: str | None) -> str:
    return "absent" if value is None else value
