"""A column that is computed from the events of a key, as the catalog declares it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from streamflow.column import Column
from streamflow.column_types import COLUMN_TYPES
from streamflow.expression import find_lags, require_one_expression

# Function -> the types that its column can have. A column that declares no type has the first one;
# `last` can have any type, so its column must declare it.
FUNCTION_TYPES: Mapping[str, tuple[str, ...]] = {
    "count": ("int",),
    "sum": ("float", "int"),
    "mean": ("float",),
    "last": tuple(COLUMN_TYPES),
    "days_since": ("int",),
}
# Functions whose expression is a condition. That of the others is a value.
CONDITION_FUNCTIONS = frozenset({"count", "days_since"})


class Aggregate(Column):
    """One column of the table that is made of events. It has one function, with its expression.

    Only events at or before the as_of of the drop exist for it.

    count       how many events fulfil the condition
    sum         the sum of a value; an event without a value does not count; 0 without events
    mean        the mean of a value; an event without a value does not count; null without events
    last        the value of the newest event; null without events
    days_since  full days from the newest event that fulfils the condition to the as_of of the
                drop; null without such an event
    days        only the events of the last `days` days: later than as_of minus `days`; without it
                all events of the file
    """

    count: str | None = Field(default=None, min_length=1)
    sum: str | None = Field(default=None, min_length=1)
    mean: str | None = Field(default=None, min_length=1)
    last: str | None = Field(default=None, min_length=1)
    days_since: str | None = Field(default=None, min_length=1)
    days: int | None = Field(default=None, gt=0, le=36_500)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_type(cls, declaration: Any) -> Any:
        """Give a column without a type that of its function; `last` has none."""
        if not isinstance(declaration, Mapping) or "type" in declaration:
            return declaration
        for function, types in FUNCTION_TYPES.items():
            if function in declaration and function != "last":
                return {**declaration, "type": types[0]}
        return declaration

    @model_validator(mode="after")
    def _check_function(self) -> Self:
        functions = [name for name in FUNCTION_TYPES if getattr(self, name) is not None]
        if len(functions) != 1:
            raise ValueError(f"an aggregate has exactly one of {', '.join(FUNCTION_TYPES)}")
        if self.expr is not None or self.header is not None:
            raise ValueError("an aggregate has neither expr nor header")
        if self.type not in FUNCTION_TYPES[self.function]:
            types = " or ".join(FUNCTION_TYPES[self.function])
            raise ValueError(f"the type of {self.function} is {types}, not '{self.type}'")
        try:
            require_one_expression(self.expression)
        except ValueError as exc:
            raise ValueError(f"{self.function}: {exc}") from exc
        if find_lags(self.expression):
            raise ValueError(f"{self.function}: an aggregate cannot use lag")
        return self

    @property
    def function(self) -> str:
        """Return the name of the function."""
        return next(name for name in FUNCTION_TYPES if getattr(self, name) is not None)

    @property
    def expression(self) -> str:
        """Return the expression that is computed for each event."""
        expression: str = getattr(self, self.function)
        return expression

    def describe(self, time: str) -> str:
        """Describe the computation in one line; the text changes exactly when its meaning does.

        Args:
            time: the column that says when an event happened.

        >>> Aggregate(count="status = 'failed'", days=90).describe("paid_at")
        "count of (status = 'failed') in 90 days of paid_at"
        """
        window = "all time" if self.days is None else f"{self.days} days"
        return f"{self.function} of ({self.expression}) in {window} of {time}"
