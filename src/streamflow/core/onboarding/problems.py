"""Everything that keeps `init` from guessing a catalog, said at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Never

from streamflow.errors import CatalogInvalid


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that cannot be guessed or read.

    lines   what it is, and what was examined; the file stands at the beginning of a line
    remedy  what to do, as a command
    """

    lines: tuple[str, ...]
    remedy: str


def refuse(problems: Sequence[Problem]) -> Never:
    """Raise CatalogInvalid with all problems, and with what to do about each of them."""
    lines = [line for problem in problems for line in problem.lines]
    remedies = list(dict.fromkeys(problem.remedy for problem in problems))
    raise CatalogInvalid(
        "\n".join(lines),
        violations=lines,
        state="No catalog was written.",
        remedy=f"{'. '.join(remedies)}, and run 'streamflow init' again.",
    )
