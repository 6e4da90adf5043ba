"""A column of a table, as the catalog declares it."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streamflow.column_types import COLUMN_TYPES, ColumnType
from streamflow.expression import require_one_expression

# PostgreSQL cuts names at 63 bytes. 48 leave room for the suffixes that we add.
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=48)]

# How a column says for how long somebody has been a user: it is the day on which that began, or a
# number in this unit.
TenureUnit = Literal["since", "days", "months", "years"]
MOMENT_TYPES = ("date", "timestamp")

MAX_HEADER = 256  # characters of a header
# A name as a file has it.
Header = Annotated[str, Field(min_length=1, max_length=MAX_HEADER, pattern=r"^[^\x00]*$")]

FLOAT_LIMIT = 2**1023
INT64_LIMIT = 2**63


class CatalogPart(BaseModel):
    """A frozen part of the catalog. It refuses an unknown name or a wrong type when it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Column(CatalogPart):
    """One column of a table.

    view          the feature view that serves the column; with a view, the column is a feature
    categorical   the model treats the feature as categories
    counter       a number that grows from drop to drop. `honesty` compares two drops by it; no
                  model reads it
    tenure        the column says for how long somebody has been a user; the console divides users
                  by it, no model reads it
    expr          SQL that computes the column when a snapshot freezes; no file holds the column
    words         the name that people use for the column: reasons show it, no model reads it
    header        the column's name in its file; without it the name in the catalog
    default       the value that is served where a feature has no value, or a value that is too
                  old; without a default such a request is refused
    """

    type: ColumnType
    nullable: bool = False
    min: float | None = None
    max: float | None = None
    categories: tuple[str, ...] | None = Field(default=None, strict=False)
    max_length: int | None = Field(default=None, gt=0)
    view: Identifier | None = None
    categorical: bool = False
    counter: bool = False
    tenure: TenureUnit | None = None
    expr: str | None = Field(default=None, min_length=1)
    words: str | None = Field(default=None, min_length=1, max_length=80)
    header: Header | None = None
    default: bool | int | float | str | None = None

    @model_validator(mode="before")
    @classmethod
    def _convert_number_default(cls, declaration: Any) -> Any:
        """Make the default of a float column a float: 0 and -0.0 become 0.0, as in a file."""
        if not isinstance(declaration, dict) or declaration.get("type") != "float":
            return declaration
        default = declaration.get("default")
        if isinstance(default, bool) or not isinstance(default, int | float):
            return declaration
        if abs(default) < FLOAT_LIMIT:
            return {**declaration, "default": float(default) + 0.0}
        return declaration

    @model_validator(mode="after")
    def _check_coherence(self) -> Self:
        if self.expr is not None and self.header is not None:
            raise ValueError(
                "a column with expr is computed and in no file, so it cannot have a header"
            )
        if self.expr is not None:
            require_one_expression(self.expr)
        self._check_number_options()
        self._check_string_options()
        if self.view and not COLUMN_TYPES[self.type].can_be_feature:
            raise ValueError(f"a feature cannot be of type '{self.type}'")
        if self.view and self.type == "string" and not self.categorical:
            raise ValueError("a feature of type 'string' must say categorical = true")
        if self.default is not None:
            self._require_possible(self.default)
        return self

    def _check_number_options(self) -> None:
        is_number = COLUMN_TYPES[self.type].is_number
        if (self.min is not None or self.max is not None) and not is_number:
            raise ValueError(f"min and max belong to numbers, not to type '{self.type}'")
        if self.counter and not is_number:
            raise ValueError(f"counter belongs to numbers, not to type '{self.type}'")
        if self.tenure is not None:
            self._check_tenure(self.tenure)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:.15g} is above max {self.max:.15g}")

    def _check_tenure(self, unit: TenureUnit) -> None:
        is_moment = self.type in MOMENT_TYPES
        if not is_moment and not COLUMN_TYPES[self.type].is_number:
            raise ValueError(f"tenure belongs to dates and numbers, not to type '{self.type}'")
        if is_moment != (unit == "since"):
            allowed = "'since'" if is_moment else "'days', 'months' or 'years'"
            raise ValueError(f"tenure of a column of type '{self.type}' has to be {allowed}")

    def _check_string_options(self) -> None:
        has_option = self.categories is not None or self.max_length is not None
        if has_option and self.type != "string":
            raise ValueError(
                f"categories and max_length belong to strings, not to type '{self.type}'"
            )

    def _require_possible(self, default: bool | float | str) -> None:
        """Refuse a default that no row of a drop could hold: no model has seen such a value.

        Raises ValueError.
        """
        if self.view is None:
            raise ValueError("default belongs to features: this column has no view")
        if type(default) is not COLUMN_TYPES[self.type].python:
            raise ValueError(f"default {default!r} is not of type '{self.type}'")
        if isinstance(default, str):
            possible = self._allows_text(default)
        else:
            possible = self._allows_number(default)
        if not possible:
            raise ValueError(f"default {default!r} is not among the values that the column allows")

    def _allows_text(self, text: str) -> bool:
        if self.categories is not None and text not in self.categories:
            return False
        if self.max_length is not None and len(text) > self.max_length:
            return False
        return "\0" not in text

    def _allows_number(self, number: bool | float) -> bool:
        if isinstance(number, float):
            representable = math.isfinite(number)
        else:
            representable = -INT64_LIMIT <= number < INT64_LIMIT
        above_min = self.min is None or number >= self.min
        below_max = self.max is None or number <= self.max
        return representable and above_min and below_max
