"""Lists of names for composed SQL, separated by commas."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql


def list_identifiers(names: Iterable[str]) -> sql.Composed:
    """Return the names as quoted identifiers, separated by commas.

    >>> list_identifiers(["as_of", "Key"]).as_string()
    '"as_of", "Key"'
    """
    return sql.SQL(", ").join(map(sql.Identifier, names))


def list_placeholders(names: Iterable[str]) -> sql.Composed:
    """Return a named placeholder for each name, separated by commas.

    >>> list_placeholders(["as_of", "key"]).as_string()
    '%(as_of)s, %(key)s'
    """
    return sql.SQL(", ").join(map(sql.Placeholder, names))
