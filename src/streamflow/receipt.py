"""The base of everything that a step returns, its JSON, and how a notebook shows it: as a table.

Everything is taken from the fields, so a new field is shown without a line here. A field that is
declared with `repr=False` is for code only and is not shown.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from html import escape
from typing import Any

# So many entries of a list are shown; the receipt itself has them all.
MAX_ENTRIES = 20
# Values deeper than this are folded in: a click opens them.
OPEN_DEPTH = 1
LEFT_ALIGNED = "style='text-align:left'"
# How Python's JSON writes the numbers that JSON does not have; "-Infinity" has the second one.
NOT_JSON = ("NaN", "Infinity")


class Receipt:
    """The base of the frozen values that steps return."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """Return the HTML that Jupyter and other notebooks show."""
        title = f"<caption><b>{escape(_name_in_words(type(self).__name__))}</b></caption>"
        return _table(_rows(_fields(self), depth=0), title)


def _fields(value: Any) -> dict[str, Any]:
    shown_fields = [field for field in dataclasses.fields(value) if field.repr]
    return {field.name: getattr(value, field.name) for field in shown_fields}


def _rows(values: Mapping[Any, Any], depth: int) -> list[str]:
    """Return a row of a table for each name with its value. What is empty has no row."""
    rows = []
    for name, value in values.items():
        cell = _cell(value, depth + 1)
        if cell:
            heading = escape(_field_in_words(str(name)))
            rows.append(f"<tr><th {LEFT_ALIGNED}>{heading}</th><td {LEFT_ALIGNED}>{cell}</td></tr>")
    return rows


def _cell(value: Any, depth: int) -> str:
    """Return a value as HTML. Only what this module writes itself is markup."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _dataclass_cell(value, depth)
    if isinstance(value, Mapping):
        noun = "entry" if len(value) == 1 else "entries"
        table = _table(_rows(value, depth))
        return _fold(f"{len(value):,} {noun}", table, depth) if value else ""
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        return _list_cell(list(value), depth)
    if hasattr(value, "_repr_html_"):
        return str(value._repr_html_())
    return escape(_plain_text(value))


def _dataclass_cell(value: Any, depth: int) -> str:
    """Return a nested value: its own sentence if it has one, else a table of its fields."""
    if _has_own_text(value):
        return escape(str(value))
    name = _name_in_words(type(value).__name__)
    return _fold(name, _table(_rows(_fields(value), depth)), depth)


def _list_cell(entries: Sequence[Any], depth: int) -> str:
    """Return a list: a table with a row for each value that has fields, else a line for each."""
    if not entries:
        return ""
    shown = entries[:MAX_ENTRIES]
    hidden = len(entries) - len(shown)
    remainder = f"<div>and {hidden:,} more</div>" if hidden else ""
    first = entries[0]
    if dataclasses.is_dataclass(first) and not _has_own_text(first):
        summary = f"{len(entries):,} × {_name_in_words(type(first).__name__)}"
        return _fold(summary, _grid(shown, depth) + remainder, depth)
    return "<br>".join(_cell(entry, depth + 1) for entry in shown) + remainder


def _grid(values: Sequence[Any], depth: int) -> str:
    """Return a table with a column for each field of values of one class."""
    names = list(_fields(values[0]))
    head = "".join(f"<th>{escape(_field_in_words(name))}</th>" for name in names)
    rows = [f"<tr>{head}</tr>"]
    for value in values:
        cells = [_cell(getattr(value, name, None), depth + 1) for name in names]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return _table(rows)


def _table(rows: Sequence[str], title: str = "") -> str:
    return f"<table>{title}{''.join(rows)}</table>"


def _fold(summary: str, content: str, depth: int) -> str:
    """Return content that a click opens and closes. Only shallow content is open at first."""
    state = " open" if depth <= OPEN_DEPTH else ""
    return f"<details{state}><summary>{escape(summary)}</summary>{content}</details>"


def _has_own_text(value: Any) -> bool:
    """Say whether the class of a value writes it as a sentence: dataclasses by themselves do not.

    >>> from datetime import date
    >>> _has_own_text(date(2024, 1, 31)), _has_own_text(object())
    (True, False)
    """
    own_methods = [vars(cls).get("__str__") for cls in type(value).__mro__ if cls is not object]
    return any(own_methods)


def _plain_text(value: Any) -> str:
    """Return a simple value as text.

    >>> [_plain_text(value) for value in (None, True, 0.123456789, 7, "Mon")]
    ['', 'yes', '0.123457', '7', 'Mon']
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return str(value.date()) if value.time() == time() else value.isoformat(" ", "seconds")
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _field_in_words(name: str) -> str:
    return name.replace("_", " ")


def _name_in_words(name: str) -> str:
    """Return the name of a class as words.

    >>> _name_in_words("TrainReceipt")
    'Train receipt'
    """
    return re.sub(r"(?<!^)([A-Z])", r" \1", name).capitalize()


def to_json(value: object) -> str:
    """Return a receipt as JSON, with dates and instants in ISO form, and paths as text.

    JSON has no NaN and no infinity: such a number is null.

    >>> to_json([0.5, float("nan")]).split()
    ['[', '0.5,', 'null', ']']
    """
    text = json.dumps(value, default=_to_plain_value, indent=2, ensure_ascii=False)
    if not any(word in text for word in NOT_JSON):
        return text
    # A text of the receipt may contain such a word, too, so only a parser can tell.
    plain_value = json.loads(text, parse_constant=lambda _: None)
    return json.dumps(plain_value, indent=2, ensure_ascii=False)


def _to_plain_value(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
