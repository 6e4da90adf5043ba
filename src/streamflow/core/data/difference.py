"""One difference between a recorded value and the value of today."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as it was recorded.

    what      its address: table, key and column; a feature's definition; a file; a package; a
              setting
    recorded  the value in the record; None when the record has no such thing
    now       the value of today; None when there is no such thing today
    note      further facts that a person needs to act on the difference
    """

    what: str
    recorded: str | None
    now: str | None
    note: str = ""

    def __str__(self) -> str:
        """Write the difference on one line."""
        change = f"{_format_value(self.recorded)} -> {_format_value(self.now)}"
        note = f" ({self.note})" if self.note else ""
        return f"{self.what}: {change}{note}"


def _format_value(value: str | None) -> str:
    return "absent" if value is None else value
