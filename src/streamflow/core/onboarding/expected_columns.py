"""What is known of the columns of a file before a batch of its rows is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamflow.core.onboarding.cell_style import Family


@dataclass(frozen=True, kw_only=True)
class CountedColumn:
    """What is known of a column before a batch is counted.

    family      the kind of values of the column
    may_be_int  all numbers so far were whole
    has_values  the values are counted one by one, so that a NUL is seen among them
    may_be_key  no cell was empty so far, and few repeated an earlier one
    """

    family: Family | None
    may_be_int: bool = True
    has_values: bool = False
    may_be_key: bool = False


@dataclass(frozen=True, kw_only=True)
class ExpectedColumns:
    """What is known of the columns of a file before a batch is counted.

    columns    header -> what is known of the column
    repeating  the columns that are no key, because the first batch has a cell of theirs twice;
               None before the first batch
    """

    columns: Mapping[str, CountedColumn]
    repeating: Sequence[str] | None
