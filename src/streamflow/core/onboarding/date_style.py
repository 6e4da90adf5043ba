"""Guess how a file writes its dates, from a sample."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamflow.catalog.file_format import DateForm
from streamflow.core.onboarding.cell_style import TYPE_SHARE, is_null_word

TIME = r"([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
# The forms besides YYYY-MM-DD, in the order in which they are preferred. Eight digits are a number
# more often, so those of YYYYMMDD must be a day of these two centuries.
FORMS: tuple[tuple[DateForm, str], ...] = (
    ("DD.MM.YYYY", r"^(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.\d{4}"),
    ("YYYY/MM/DD", r"^\d{4}/(?P<month>\d{1,2})/(?P<day>\d{1,2})"),
    ("DD/MM/YYYY", r"^(?P<day>\d{1,2})/(?P<month>\d{1,2})/\d{4}"),
    ("MM/DD/YYYY", r"^(?P<month>\d{1,2})/(?P<day>\d{1,2})/\d{4}"),
    ("DD-MM-YYYY", r"^(?P<day>\d{1,2})-(?P<month>\d{1,2})-\d{4}"),
    ("MM-DD-YYYY", r"^(?P<month>\d{1,2})-(?P<day>\d{1,2})-\d{4}"),
    ("YYYYMMDD", r"^(19|20)\d{2}(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])"),
)
# Fewer different numbers may all be days by chance.
MIN_DIGIT_DATES = 20
AMBIGUOUS = {"DD/MM/YYYY": "MM/DD/YYYY", "DD-MM-YYYY": "MM-DD-YYYY"}


@dataclass(frozen=True, kw_only=True)
class DateGuess:
    """How a file writes its dates, and what decided it."""

    date_form: DateForm
    reason: str


def guess_dates(samples: Mapping[str, Sequence[str]]) -> DateGuess | None:
    """Guess how a file writes its dates. Returns None if no column seems to have a foreign form.

    Args:
        samples: header -> some cells of the column, without blanks around them.

    >>> guess_dates({"joined": ["31.01.2021", "15.03.2020"]}).date_form
    'DD.MM.YYYY'
    >>> guess_dates({"joined": ["1/31/2021", "3/15/2020"]}).date_form
    'MM/DD/YYYY'
    """
    filled_samples = {
        header: [cell for cell in cells if not is_null_word(cell)]
        for header, cells in samples.items()
    }
    headers = {date_form: _find_dates(filled_samples, pattern) for date_form, pattern in FORMS}
    headers["YYYYMMDD"] = [
        header for header in headers["YYYYMMDD"] if len(filled_samples[header]) >= MIN_DIGIT_DATES
    ]
    best = max(headers, key=lambda date_form: len(headers[date_form]))  # the first of the best
    if not headers[best]:
        return None
    reason = f"the dates of {', '.join(map(repr, headers[best]))}"
    rival = AMBIGUOUS.get(best)
    if rival and headers[rival] == headers[best]:  # type: ignore[index]  # a DateForm
        reason += f"; they could also be {rival}"
    return DateGuess(date_form=best, reason=reason)


def _find_dates(samples: Mapping[str, Sequence[str]], pattern: str) -> list[str]:
    """Return the headers of the columns whose cells are nearly all dates of a form."""
    expression = re.compile(pattern + TIME)
    return [header for header, cells in samples.items() if _are_dates(cells, expression)]


def _are_dates(cells: Sequence[str], expression: re.Pattern[str]) -> bool:
    """Tell whether nearly all cells are dates of a form; false without a cell."""
    needed_dates = TYPE_SHARE * len(cells)
    possible_dates = len(cells)
    for cell in cells:
        match = expression.match(cell)
        if match is None or int(match["day"]) > 31 or int(match["month"]) > 12:
            possible_dates -= 1
            if possible_dates < needed_dates:
                return False
    return bool(cells)
