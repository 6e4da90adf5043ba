"""A table of a guessed catalog."""

from __future__ import annotations

from dataclasses import dataclass

from streamflow.core.onboarding.column_guess import ColumnGuess
from streamflow.core.onboarding.format_guess import FormatGuess


@dataclass(frozen=True, kw_only=True)
class TableGuess:
    """A file as it will be declared. `view` is None when the file feeds no feature."""

    table: str
    file: str
    rows: int
    view: str | None
    columns: tuple[ColumnGuess, ...]
    written: FormatGuess

    @property
    def features(self) -> tuple[str, ...]:
        """List the columns that are features."""
        return tuple(column.name for column in self.columns if column.column.view)
