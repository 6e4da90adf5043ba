"""Derive the names of columns in SQL from the headers of a file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

from streamflow.catalog import RESERVED, ROW_NUMBER

MAX_NAME = 48  # characters of a name in the catalog

# Letters that Unicode does not take apart into a letter of a to z and a mark.
LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa", "œ": "oe"}
    | {"ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "€": "eur", "$": "usd", "%": "percent"}
    | {"#": "number"}
)
# Words that PostgreSQL reserves. Quoted they would be allowed, but `expr` is written without.
SQL_WORDS = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check
    collate collation column concurrently constraint create cross current_catalog current_date
    current_role current_schema current_time current_timestamp current_user default deferrable desc
    distinct do else end except false fetch for foreign freeze from full grant group having ilike in
    initially inner intersect into is isnull join lateral leading left like limit localtime
    localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
    references returning right select session_user similar some symmetric system_user table
    tablesample then to trailing true union unique user using variadic verbose when where window
    with
    """.split()  # noqa: SIM905  # a list of literals would be long and no clearer
)


def as_identifier(text: str, *, longest: int = MAX_NAME) -> str:
    """Make a name that the catalog accepts from any text.

    >>> as_identifier("Member ID"), as_identifier("2024-visits"), as_identifier("MonthlyFee")
    ('member_id', 'c_2024_visits', 'monthly_fee')
    >>> as_identifier("Größe"), as_identifier("customerID")
    ('groesse', 'customer_id')
    """
    separated_words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text)
    spelled = unicodedata.normalize("NFC", separated_words).lower().translate(LETTERS)
    letters = unicodedata.normalize("NFKD", spelled)
    without_marks = "".join(sign for sign in letters if not unicodedata.combining(sign))
    name = re.sub(r"[^a-z0-9]+", "_", without_marks).strip("_")
    if not name[:1].isalpha():
        name = f"c_{name}".rstrip("_")
    return name[:longest].rstrip("_")


def as_column_name(header: str) -> str:
    """Make the name of a column from its header: no word that streamflow or PostgreSQL reserves.

    >>> as_column_name("Order"), as_column_name("as_of"), as_column_name("fee")
    ('order_given', 'as_of_given', 'fee')
    """
    name = as_identifier(header)
    is_reserved = name in RESERVED or name == ROW_NUMBER or name in SQL_WORDS
    return f"{name}_given" if is_reserved else name


def derive_names(headers: Sequence[str]) -> dict[str, str]:
    """Derive a different name for each header. A header that is a name already keeps it.

    >>> derive_names(["fee", "Fee", "FEE (USD)", "as_of"])
    {'fee': 'fee', 'Fee': 'fee_2', 'FEE (USD)': 'fee_usd', 'as_of': 'as_of_given'}
    """
    names: dict[str, str] = {}
    used_names: set[str] = set()
    # Headers that are names come first, so that a derived name cannot take theirs.
    for header in sorted(headers, key=lambda header: as_column_name(header) != header):
        names[header] = number_name(as_column_name(header), used_names)
        used_names.add(names[header])
    return {header: names[header] for header in headers}


def number_name(name: str, used_names: Collection[str], *, longest: int = MAX_NAME) -> str:
    """Return the name, or the name with the first number that makes it a new one."""
    candidate = name
    number = 2
    while candidate in used_names:
        ending = f"_{number}"
        candidate = name[: longest - len(ending)].rstrip("_") + ending
        number += 1
    return candidate
