"""The ratios that the benchmarks have measured, for one table at the end of all of them.

A benchmark alone prints its own table. If RATIOS names a file, it also adds its ratios to it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

#: The sizes and runs that a user has time for. What needs a million users is measured, not judged.
IS_SHORT = os.environ.get("FORM") == "short"
FILE = "RATIOS"


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A measured ratio.

    bound      what it must be; None if it is not judged
    is_lowest  whether the bound is the lowest ratio, else the highest
    """

    section: str
    measure: str
    value: float
    bound: float | None = None
    is_lowest: bool = True

    @property
    def is_met(self) -> bool:
        """Return whether the ratio is as it must be."""
        if self.bound is None:
            return True
        return self.value >= self.bound if self.is_lowest else self.value <= self.bound


def record(ratio: Ratio) -> bool:
    """Add a ratio to the file, if there is one, and return whether it is as it must be."""
    path = os.environ.get(FILE)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(ratio)) + "\n")
    return ratio.is_met


def read_ratios(path: Path) -> list[Ratio]:
    """Return the ratios in a file, in the order in which they were measured."""
    return [Ratio(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
