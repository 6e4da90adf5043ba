"""Write a number together with the noun that it counts."""

from __future__ import annotations


def count_of(number: int, noun: str, plural: str = "", *, width: int = 0) -> str:
    """Return a number and its noun, in the singular or in the plural.

    Args:
        number: how many there are
        noun: the noun in the singular
        plural: the noun in the plural; by default the singular with an "s"
        width: the number is padded on its left to this many characters, for a column

    >>> count_of(1, "revision"), count_of(2000, "row"), count_of(0, "entry", "entries")
    ('1 revision', '2,000 rows', '0 entries')
    >>> count_of(12, "row", width=5)
    '   12 rows'
    """
    return f"{number:>{width},} {choose_form(number, noun, plural or f'{noun}s')}"


def choose_form(number: int, singular: str, plural: str) -> str:
    """Return the word that agrees with a number.

    >>> choose_form(1, "was", "were"), choose_form(0, "was", "were")
    ('was', 'were')
    """
    return singular if number == 1 else plural
