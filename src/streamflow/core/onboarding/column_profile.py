"""What a column of a file holds over all rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from streamflow.catalog import STRICT_CSV, ColumnType, FileFormat
from streamflow.core.onboarding.cell_style import is_null_word

# The most distinct texts with which a column can be one of categories; a convention.
MAX_CATEGORIES = 30
SHOWN_ODD = 5  # odd values of a column that messages show


@dataclass(frozen=True, kw_only=True)
class CellCount:
    """A value of a column, how many cells hold it, and the row of the first one (from 0)."""

    value: str
    count: int
    row: int


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """What one column of one file holds.

    name      the name that the catalog gives it
    header    its name in the file
    kind      the type of nearly all of its values; None: text with NUL, which no type allows
    fitting   the number of cells that are of this type
    low       the smallest number; None for a column that is not numeric
    high      the largest number; None for a column that is not numeric
    longest   the length of the longest cell, in characters
    values    each distinct value and the number of its cells, if they are few; in order
    unique    no cell is empty, and no two cells are equal
    repeats   the number of cells that repeat an earlier one; None if there are many, or empty cells
    is_whole  each value is a whole number, although some are written like 1.0
    odd       the values that are not of the type, the most frequent first; at most ODD_VALUES
    odd_cells the number of cells that are not of the type
    padded    the number of cells with blanks around a value
    hidden    the first cell with blanks or characters of no width around it, of a column that
              could be the key
    total     the first cell of such a column that names a row of sums
    mixed     the numbers have no common type: whole numbers of many digits, and fractions
    first_empty    of a column whose cells are all different until then: the row of its first
                   empty cell
    repeated_cell  of such a column: a cell that is there twice; empty if it was not looked for
    """

    name: str
    header: str
    rows: int
    empty: int
    kind: ColumnType | None
    fitting: int = 0
    low: float | None = None
    high: float | None = None
    longest: int = 0
    values: tuple[tuple[str, int], ...] | None = None
    unique: bool = False
    repeats: int | None = None
    is_whole: bool = False
    odd: tuple[CellCount, ...] = ()
    odd_cells: int = 0
    padded: int = 0
    hidden: CellCount | None = None
    total: CellCount | None = None
    mixed: bool = False
    first_empty: int | None = None
    repeated_cell: str = ""

    @property
    def can_be_key(self) -> bool:
        """Return whether this column can name each row of its file."""
        is_possible = self.kind in ("int", "string") or (self.kind == "float" and self.is_whole)
        return self.unique and is_possible and not self.odd_cells

    @property
    def texts(self) -> tuple[str, ...] | None:
        """Return all distinct values in order, if they are few."""
        if self.values is None or len(self.values) > MAX_CATEGORIES:
            return None
        return tuple(value for value, _ in self.values)

    @property
    def missing(self) -> int:
        """Return the number of cells that are empty or hold blanks only."""
        return self.empty + sum(cell.count for cell in self.odd if not cell.value.strip())

    @property
    def null_words(self) -> tuple[str, ...]:
        """Return the odd values that mean a null."""
        return tuple(odd.value for odd in self.odd if is_null_word(odd.value))

    @property
    def numbers_rows(self) -> bool:
        """Return whether the column only numbers the rows: 0, 1, 2 … or 1, 2, 3 …."""
        is_counter = self.low in (0, 1) and self.high == self.rows - 1 + (self.low or 0)
        return self.kind == "int" and self.unique and is_counter

    def count_value(self, value: str) -> int:
        """Return how many cells hold a value."""
        return dict(self.values or ()).get(value, 0)


@dataclass(frozen=True, kw_only=True)
class FileProfile:
    """What one file of a drop holds, column by column.

    file         its name in the folder of a drop
    file_format  how it is written, as far as that was needed to read it
    reasons      option of the format -> what decided it
    doubts       how the format reads what nothing in the file decides
    repeated     the number of rows that equal an earlier row in every column but the key
    lines        row -> its line in the file, for the rows that a message names
    """

    file: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    file_format: FileFormat = STRICT_CSV
    reasons: dict[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    repeated: int = 0
    lines: dict[int, int] = field(default_factory=dict)

    def with_lines(self, lines: dict[int, int]) -> FileProfile:
        """Return the same profile with the lines of the rows that messages name."""
        return replace(self, lines=lines)

    def line(self, row: int) -> int:
        """Return the line of a row in the file. Without a look at the file, none is skipped."""
        return self.lines.get(row, row + 2)

    def locate(self, row: int) -> str:
        """Return the place of a row in the file, as in `users.csv:490`."""
        return f"{self.file}:{self.line(row)}"

    def named_rows(self) -> set[int]:
        """Return the rows that messages name: where odd cells are first."""
        rows = {cell.row for column in self.columns for cell in column.odd[:SHOWN_ODD]}
        for column in self.columns:
            rows |= {cell.row for cell in (column.hidden, column.total) if cell}
        empty_rows = (column.first_empty for column in self.columns)
        return rows | {row for row in empty_rows if row is not None}

    def column(self, name: str) -> ColumnProfile | None:
        """Return the column of this name, or None."""
        return next((column for column in self.columns if column.name == name), None)
