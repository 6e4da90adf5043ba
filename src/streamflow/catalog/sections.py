"""Say in which section of the catalog a table and its columns are declared."""

from __future__ import annotations

from collections.abc import Collection


def section_of(table: str, events: Collection[str]) -> str:
    """Return the section that declares a frozen table.

    Args:
        events: the tables of events.

    >>> section_of("users", ["payments"]), section_of("payments", ["payments"])
    ('tables.users', 'events.payments')
    """
    return f"events.{table}" if table in events else f"tables.{table}"


def column_path(table: str, name: str, events: Collection[str]) -> str:
    """Return where the catalog declares a column of a frozen table.

    >>> column_path("payments", "failed_90d", ["payments"])
    'events.payments.aggregates.failed_90d'
    """
    columns = "aggregates" if table in events else "columns"
    return f"{section_of(table, events)}.{columns}.{name}"
