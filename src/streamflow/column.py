"""A column as the catalog declares it."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ColumnType = Literal["int", "float", "bool", "string", "date", "timestamp"]
Identifier = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=48)
]  # PostgreSQL cuts names at 63 bytes
FLOAT_OVERFLOWS = 2**1023
KINDS: dict[str, type] = {
    "int": int,
    "float": float,
    "bool": bool,
    "string": str,
}  # catalog type -> that of a default


class Frozen(BaseModel):
    """A part of the catalog: a mistyped name or type fails at the door."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Column(Frozen):
    """One column of a table; `view` makes it a feature, `expr` (SQL) computes it when a snapshot freezes: no file holds it."""

    type: ColumnType
    nullable: bool = False
    min: float | None = None
    max: float | None = None
    categories: tuple[str, ...] | None = Field(default=None, strict=False)
    max_length: int | None = Field(default=None, gt=0)
    view: Identifier | None = None
    categorical: bool = False
    counter: bool = (
        False  # grows from drop to drop: what `honesty` holds two drops against; no model reads it
    )
    expr: str | None = Field(default=None, min_length=1)
    words: str | None = Field(
        default=None, min_length=1, max_length=80
    )  # what people call it: reasons use it, no model does
    default: bool | int | float | str | None = (
        None  # served where a feature has no value, or one that is too old; else refused
    )

    @model_validator(mode="before")
    @classmethod
    def _default_of_its_type(cls, given: Any) -> Any:
        """`default = 0` of a float is 0.0, as a cell of a file is; so is -0.0."""
        value = (
            given.get("default")
            if isinstance(given, dict) and given.get("type") == "float"
            else None
        )
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and abs(value) < FLOAT_OVERFLOWS
        ):
            return {**given, "default": float(value) + 0.0}
        return given

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.expr is not None:
            require_one_expression(self.expr)
        if (self.min is not None or self.max is not None) and self.type not in ("int", "float"):
            raise ValueError(f"min and max belong to numbers, not to type '{self.type}'")
        if self.counter and self.type not in ("int", "float"):
            raise ValueError(f"counter belongs to numbers, not to type '{self.type}'")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        if (self.categories is not None or self.max_length is not None) and self.type != "string":
            raise ValueError(
                f"categories and max_length belong to strings, not to type '{self.type}'"
            )
        if self.view and self.type in ("date", "timestamp"):
            raise ValueError(f"a feature cannot be of type '{self.type}'")
        if self.view and self.type == "string" and not self.categorical:
            raise ValueError("a feature of type 'string' must say categorical = true")
        if self.default is not None:
            self._require_possible(self.default)
        return self

    def _require_possible(self, value: bool | float | str) -> None:
        """Refuse a default that a row of a drop could not hold: the model has never seen its like. Raises ValueError."""
        if self.view is None:
            raise ValueError("default belongs to features: this column has no view")
        if type(value) is not KINDS[self.type]:
            raise ValueError(f"default {value!r} is not of type '{self.type}'")
        if isinstance(value, str):
            possible = self.categories is None or value in self.categories
            possible &= self.max_length is None or len(value) <= self.max_length
            possible &= "\0" not in value
        else:
            possible = (
                math.isfinite(value) if isinstance(value, float) else -(2**63) <= value < 2**63
            )
            possible &= (self.min is None or value >= self.min) and (
                self.max is None or value <= self.max
            )
        if not possible:
            raise ValueError(f"default {value!r} breaks what the column promises of its values")


def require_one_expression(text: str) -> None:
    """Refuse what would leave the parentheses that it is put into; whether it is valid says PostgreSQL. Raises ValueError.

    >>> require_one_expression("monthly_fee * months_active - coalesce(lag(total_paid), 0)")
    >>> require_one_expression("1); DROP TABLE x")
    Traceback (most recent call last):
    ValueError: expr closes a parenthesis that it did not open
    """
    bare = re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"", "", text)
    depth = 0
    for sign in bare:
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            raise ValueError("expr closes a parenthesis that it did not open")
    if depth:
        raise ValueError("expr leaves a parenthesis open")
    if found := re.search(r"[;'\"$\\]|--|/\*", bare):
        raise ValueError(f"expr holds {found.group()}, which is no part of one expression")
