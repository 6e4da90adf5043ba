"""Guess how a file writes its numbers, and which kind of values a column holds, from a sample."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from streamflow.column_types import COLUMN_TYPES

Family = Literal["number", "bool", "date", "timestamp", "text"]

# A column is of a type if at least this share of its cells is. A convention.
TYPE_SHARE = 0.95
# A sample says which kind of values a column seems to hold. All rows decide later.
SAMPLE_SHARE = 0.5
SAMPLED_VALUES = 1_000  # distinct values of a column that are looked at

# Words that stand for a missing value where numbers, dates or bools are expected.
NULL_WORDS = frozenset(
    r"""
    \n na n/a nan null none nil missing unknown undefined unbekannt inf -inf infinity -infinity #n/a
    #na #null! #value! #div/0! ? - -- --- . .. (null) <na> (blank) k.a. n.a. n.v.
    """.split()  # noqa: SIM905  # a list of literals would be long and no clearer
)
SIGN = r"[$€£¥₹%]|EUR|USD|GBP|CHF"
SIGNED = re.compile(
    rf"^(?P<minus>-?)(?P<before>{SIGN})? ?(?P<number>[-\d.,'’\u00a0\u202f _]*\d)"
    rf"[ \u00a0\u202f]?(?P<after>{SIGN})?$"
)
INT_FORM = re.compile(str(COLUMN_TYPES["int"].guess_form))
FLOAT_FORM = re.compile(str(COLUMN_TYPES["float"].guess_form))
DATE_FORM = re.compile(str(COLUMN_TYPES["date"].guess_form))
TIMESTAMP_FORM = re.compile(str(COLUMN_TYPES["timestamp"].guess_form))
DAY_FORM = re.compile(r"^(19|20)\d{2}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")
BOOL_FORM = re.compile(r"^(true|false)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class NumberStyle:
    """How numbers are written: the decimal sign, and the sign between groups of three digits."""

    decimal: str = "."
    thousands: str = ""

    def describe_doubt(self, header: str, cell: str) -> str:
        """Say how a number such as `1.234` is read, and what to declare if it is the other one."""
        exchanged = EXCHANGED[self]
        fraction = re.sub("[.,]", ".", cell)
        whole_number = re.sub("[.,]", "", cell)
        is_whole = bool(self.thousands) and self.thousands in cell
        reading = whole_number if is_whole else fraction
        alternative = fraction if is_whole else whole_number
        return (
            f"{header!r} holds {cell!r}, which is read as {reading}: no number of the file says "
            f"that it is not {alternative}. If it is, write decimal = {exchanged.decimal!r} and "
            f"thousands = {exchanged.thousands!r} for this file in the catalog"
        )

    def is_number(self, cell: str) -> bool:
        """Tell whether a cell without currency signs is a number in this style."""
        text = cell
        if self.thousands and self.thousands in cell:
            group = re.escape(self.thousands)
            grouped = rf"^-?[1-9]\d{{0,2}}({group}\d{{3}})+({re.escape(self.decimal)}\d*)?$"
            if not re.match(grouped, cell):
                return False
            text = cell.replace(self.thousands, "")
        if self.decimal != ".":
            if "." in text:
                return False
            text = text.replace(self.decimal, ".")
        return bool(INT_FORM.match(text) or FLOAT_FORM.match(text))


# Every digit from 1 to 9 becomes a 1; a 0 at the beginning makes a difference.
TO_SHAPE = str.maketrans("23456789", "11111111")
POINT = NumberStyle()
# The styles that are tried, in the order in which they are preferred.
STYLES = (
    POINT,
    NumberStyle(thousands=","),
    NumberStyle(decimal=","),
    NumberStyle(decimal=",", thousands="."),
    *(
        NumberStyle(decimal=decimal, thousands=thousands)
        for thousands in (" ", "\u00a0", "\u202f", "'", "’")
        for decimal in (".", ",")
    ),
)
# The style in which the sign of `1.234` or `1,234` means the opposite.
EXCHANGED = {
    POINT: NumberStyle(decimal=",", thousands="."),
    NumberStyle(decimal=","): NumberStyle(thousands=","),
    NumberStyle(thousands=","): NumberStyle(decimal=","),
    NumberStyle(decimal=",", thousands="."): POINT,
}


@dataclass(frozen=True, kw_only=True)
class StyleGuess:
    """How a file writes its numbers, and the columns that decided it.

    style    the style in which most columns are numbers
    signs    the signs around numbers
    columns  the headers of the columns that are numbers in this style only
    doubts   header -> a number that is a different one in the style with the two signs exchanged,
             in which the file could be written as well
    """

    style: NumberStyle
    signs: tuple[str, ...]
    columns: tuple[str, ...]
    doubts: dict[str, str]


def guess_style(samples: Mapping[str, Sequence[str]], *, separator: str = ",") -> StyleGuess:
    """Guess how a file writes its numbers.

    Args:
        samples: header -> some cells of the column, without blanks around them.
        separator: what stands between cells. A file with commas between cells hardly has a
            decimal comma; `1,234` is ambiguous elsewhere, and `1.234` where semicolons stand.

    >>> guess = guess_style({"fee": ["29,90", "9,90"], "id": ["1", "2"]}, separator=";")
    >>> guess.style.decimal, guess.columns
    (',', ('fee',))
    """
    styles = _order_styles(separator)
    signed_shapes = {header: _count_shapes(cells) for header, cells in samples.items()}
    shapes = {header: _remove_signs(signed_shapes[header]) for header in samples}
    numeric = {
        style: [header for header in samples if _is_numeric(shapes[header], style)]
        for style in styles
    }
    style = max(styles, key=lambda style: len(numeric[style]))  # the first of the best
    doubts = {}
    if not any(_decides(shapes[header], style) for header in numeric[style]):
        numeric_samples = {header: samples[header] for header in numeric[style]}
        doubts = _find_doubts(numeric_samples, style)
    grouped_headers: set[str] = set()
    if separator == ";" and style == POINT and doubts:
        # Programs that write semicolons do so because the comma is their decimal sign.
        style = EXCHANGED[POINT]
        grouped_headers = set(doubts)
    columns = []
    signs: set[str] = set()
    for header in numeric[style]:
        if header in grouped_headers or not _is_numeric(signed_shapes[header], POINT):
            columns.append(header)
            signs |= _list_signs(signed_shapes[header])
    return StyleGuess(
        style=style,
        signs=tuple(sorted(signs)),
        columns=tuple(columns),
        doubts=doubts,
    )


def _order_styles(separator: str) -> list[NumberStyle]:
    """Return the styles in the order in which they are preferred beside this separator."""
    if separator == ",":
        return list(STYLES)
    # The grouped numbers of a comma are tried after the decimal comma.
    return [STYLES[0], *STYLES[2:], STYLES[1]]


def _count_shapes(cells: Sequence[str]) -> Counter[str]:
    """Count the cells of each shape, in which every digit from 1 to 9 is a 1.

    Whether a cell is a number in a style depends on its shape alone, and a column has few shapes.
    Words for a missing value do not count.
    """
    counts = Counter(cell.translate(TO_SHAPE) for cell in cells)
    return Counter({shape: count for shape, count in counts.items() if not is_null_word(shape)})


def _is_numeric(shapes: Counter[str], style: NumberStyle) -> bool:
    """Tell whether nearly all cells that hold a value are numbers in a style."""
    filled = shapes.total()
    needed_numbers = TYPE_SHARE * filled
    possible_numbers = filled
    for shape, count in shapes.items():
        if not style.is_number(shape):
            possible_numbers -= count
            if possible_numbers < needed_numbers:
                return False
    return bool(filled)


def _decides(shapes: Counter[str], style: NumberStyle) -> bool:
    """Tell whether a cell is a number in a style, and not in the one with exchanged signs."""
    exchanged = EXCHANGED.get(style)
    return exchanged is None or any(
        style.is_number(shape) != exchanged.is_number(shape) for shape in shapes
    )


def _find_doubts(samples: Mapping[str, Sequence[str]], style: NumberStyle) -> dict[str, str]:
    """Find a number with a sign in each column that no cell decides: header -> number."""
    doubts: dict[str, str] = {}
    for header, cells in samples.items():
        for cell in cells:
            number = _remove_sign(cell)
            if not {".", ","}.isdisjoint(number) and style.is_number(number):
                doubts[header] = number
                break
    return doubts


def _remove_sign(cell: str) -> str:
    """Return a cell without the signs around its number, if it holds one."""
    match = SIGNED.match(cell)
    if match and any(match.group("before", "after")):
        return match["minus"] + match["number"]
    return cell


def _remove_signs(shapes: Counter[str]) -> Counter[str]:
    """Count the cells of each shape without the signs around numbers."""
    counts: Counter[str] = Counter()
    for shape, count in shapes.items():
        counts[_remove_sign(shape)] += count
    return counts


def _list_signs(shapes: Iterable[str]) -> set[str]:
    """Return the signs around numbers."""
    matches = map(SIGNED.match, shapes)
    pairs = (match.group("before", "after") for match in matches if match)
    return {sign for pair in pairs for sign in pair if sign}


def is_null_word(cell: str) -> bool:
    """Tell whether a cell is blank, or a word for a missing value.

    >>> is_null_word(" "), is_null_word("N/A"), is_null_word("0")
    (True, True, False)
    """
    word = cell.strip().lower()
    return not word or word in NULL_WORDS


def guess_family(cells: Sequence[Sequence[str | None]]) -> Family | None:
    """Guess the kind of values of a column from some cells.

    Args:
        cells: of each cell its text, and what strict CSV would write for it as a number, as a
            date and as an instant.

    Returns None if no cell holds a value.

    >>> guess_family([["12"] * 4, ["7.5"] * 4]), guess_family([["9,5", "9.5", "?", "?"]])
    ('number', 'number')
    """
    filled = [forms for forms in cells if not is_null_word(str(forms[0]))]
    if not filled:
        return None
    counts: dict[Family, int] = {}
    for forms in filled:
        family = _family_of(*forms)
        counts[family] = counts.get(family, 0) + 1
    best = max(counts, key=lambda family: counts[family])
    needed_cells = SAMPLE_SHARE * len(filled)
    return best if counts[best] > needed_cells else "text"


def _family_of(
    text: str | None,
    number: str | None,
    date: str | None,
    instant: str | None,
) -> Family:
    """Return the kind of one value."""
    number_text = number or ""
    if (text or "").isdecimal() and DAY_FORM.match(date or ""):
        # Eight digits are a date only where the file writes its dates so.
        return "date"
    if INT_FORM.match(number_text) or FLOAT_FORM.match(number_text):
        return "number"
    if BOOL_FORM.match(text or ""):
        return "bool"
    if DATE_FORM.match(date or ""):
        return "date"
    return "timestamp" if TIMESTAMP_FORM.match(instant or "") else "text"
