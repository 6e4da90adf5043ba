"""How the console writes numbers, shares, days and ages. A thin space groups three digits."""

from __future__ import annotations

from datetime import UTC, datetime

THIN_SPACE = "\u202f"
MINUS = "\u2212"
NOTHING = "\u2013"
# A value with a smaller amount would be rounded to 0.00.
SMALLEST_ROUNDED = 0.005
DAYS_PER_MONTH = 30.44
DAYS_PER_YEAR = 365.25


def format_number(value: float | None, decimals: int = 0) -> str:
    """Write a number with thin spaces between groups of three digits.

    >>> format_number(1234567).replace(THIN_SPACE, "_"), format_number(-0.5, 1), format_number(None)
    ('1_234_567', '−0.5', '–')
    """
    if value is None:
        return NOTHING
    text = f"{value:,.{decimals}f}".replace(",", THIN_SPACE)
    return text.replace("-", MINUS)


def format_value(value: object) -> str:
    """Write a value of the data: a number with at most two decimals, a bool as yes or no.

    A number that is almost 0 is not called 0.

    >>> format_value(True), format_value(12.5), format_value(3.0), format_value(None)
    ('yes', '12.5', '3', '–')
    >>> format_value(0.004), format_value(-0.004), format_value(0.0)
    ('0.004', '−0.004', '0')
    """
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return format_number(value)
    if isinstance(value, float):
        if 0 < abs(value) < SMALLEST_ROUNDED:
            return f"{value:.2g}".replace("-", MINUS)
        text = format_number(value, 2)
        return text.rstrip("0").rstrip(".")
    return str(value)


def format_percent(share: float | None, decimals: int = 0) -> str:
    """Write a share as per cent. What is almost certain is not called certain.

    >>> format_percent(0.312).replace(THIN_SPACE, "_"), format_percent(None)
    ('31_%', '–')
    >>> format_percent(0.9999, 1).replace(THIN_SPACE, "_"), format_percent(1.0)[:3]
    ('>99.9_%', '100')
    """
    if share is None:
        return NOTHING
    step = 10.0**-decimals
    if share < 1 and round(100 * share, decimals) >= 100:
        return f">{format_number(100 - step, decimals)}{THIN_SPACE}%"
    return f"{format_number(100 * share, decimals)}{THIN_SPACE}%"


def format_points(change: float | None) -> str:
    """Write a change of a probability in points of per cent, with its sign.

    >>> format_points(0.0631), format_points(-0.1), format_points(0.0), format_points(None)
    ('+6.3', '−10.0', '0.0', '–')
    """
    if change is None:
        return NOTHING
    points = round(100 * change, 1)
    sign = "+" if points > 0 else ""
    return f"{sign}{format_number(points + 0.0, 1)}"


def format_day(instant: datetime | None) -> str:
    """Write the day of an instant in ISO form."""
    return NOTHING if instant is None else f"{instant:%Y-%m-%d}"


def format_instant(instant: datetime | None) -> str:
    """Write an instant in ISO form to the minute, in the time zone that it has."""
    return NOTHING if instant is None else f"{instant:%Y-%m-%d %H:%M}"


def format_age(instant: datetime, now: datetime) -> str:
    """Write how long ago an instant is, or how far ahead, in days of the calendar.

    A clock that is some seconds ahead of ours does not matter.

    >>> from datetime import timedelta
    >>> now = datetime(2024, 3, 1, 9, tzinfo=UTC)
    >>> [format_age(now - timedelta(days=days), now) for days in (0, 1, 40, 100, 900)]
    ['today', '1 day ago', '40 days ago', '3 months ago', '2 years ago']
    >>> [format_age(now + timedelta(hours=hours), now) for hours in (-10, 1, 24, 2160)]
    ['1 day ago', 'today', 'in 1 day', 'in 3 months']
    """
    days = (now.astimezone(UTC).date() - instant.astimezone(UTC).date()).days
    if days == 0:
        return "today"
    length = _format_length(abs(days))
    return f"{length} ago" if days > 0 else f"in {length}"


def write_sentence(text: str) -> str:
    """Write a text with a capital letter at its beginning and a full stop at its end.

    >>> write_sentence("no user has such a key"), write_sentence("Why?")
    ('No user has such a key.', 'Why?')
    """
    sentence = text[:1].upper() + text[1:]
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _format_length(days: int) -> str:
    if days < 2 * DAYS_PER_MONTH:
        return _format_count(days, "day")
    if days < 2 * DAYS_PER_YEAR:
        return _format_count(round(days / DAYS_PER_MONTH), "month")
    return _format_count(int(days / DAYS_PER_YEAR), "year")


def _format_count(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"
