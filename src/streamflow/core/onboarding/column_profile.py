"""What a column of a CSV file holds, seen over all rows: the expressions that measure it, and the frozen answer.

Cells are text, a null where a cell is empty. The expressions are aggregates, so that a file is read as a stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from streamflow.catalog import Column, ColumnType
from streamflow.core.data.contract import FORMS, read_cells

FEW = 30  # distinct texts up to which a column can be one of categories; a convention
NARROW_FIRST: tuple[ColumnType, ...] = ("bool", "int", "float", "date", "timestamp")
SLICE = 50_000  # rows read as instants at a time

# Narrower than what ingest accepts: 00123, +49170 and 17 digits before a point name something, and a number would lose it
NUMBERS = {
    "int": r"^-?(0|[1-9]\d{0,18})$",
    "float": r"^-?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$",
}


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One column of one file. `kind` is the narrowest type of all its values; None: text with NUL, which no type takes."""

    name: str
    rows: int
    empty: int
    kind: ColumnType | None
    low: float | None  # of a number
    high: float | None
    longest: int  # in characters
    distinct: int  # an estimate within about 2 %
    true: int  # cells that say True
    texts: tuple[str, ...] | None = None  # all distinct texts in order, where they are few
    unique: bool = False  # no cell is empty and no two are equal

    @property
    def can_be_key(self) -> bool:
        """Whether this column names each row of its file."""
        return self.unique and self.kind in ("int", "string")


@dataclass(frozen=True, kw_only=True)
class FileProfile:
    """One file of a drop."""

    file: str
    columns: tuple[Profile, ...]

    @property
    def rows(self) -> int:
        """Records of the file, the header not counted."""
        return self.columns[0].rows

    def column(self, name: str) -> Profile | None:
        """The column of this name."""
        return next((c for c in self.columns if c.name == name), None)


def measures(header: Sequence[str]) -> list[pl.Expr]:
    """What is to be computed over a frame of text with the columns `header`: one row, for `profiles`."""
    return [pl.len().alias("rows")] + [
        e.alias(f"{i}.{m}") for i, name in enumerate(header) for m, e in _of(pl.col(name)).items()
    ]


def _of(cell: pl.Expr) -> dict[str, pl.Expr]:
    number = cell.cast(pl.Float64, strict=False)
    values = {
        "bool": cell.is_in(["True", "False"]),
        "int": cell.str.contains(NUMBERS["int"]) & cell.cast(pl.Int64, strict=False).is_not_null(),
        "float": cell.str.contains(NUMBERS["float"]) & number.is_finite(),
        "date": cell.str.contains(FORMS["date"])
        & cell.str.to_date("%Y-%m-%d", strict=False).is_not_null(),
        "timestamp": cell.str.contains(FORMS["timestamp"]),
        "nul": cell.str.contains("\0", literal=True),
        "true": cell == "True",
    }
    return {
        "empty": cell.null_count(),
        **{name: value.sum() for name, value in values.items()},
        "low": number.min(),
        "high": number.max(),
        "longest": cell.str.len_chars().max(),
        "distinct": cell.approx_n_unique(),
    }


def profiles(header: Sequence[str], measured: pl.DataFrame) -> tuple[Profile, ...]:
    """The answer to `measures`.

    >>> text = pl.DataFrame({"member": ["17", "4"], "plan": ["Plus", None]})
    >>> [(p.name, p.kind, p.empty, p.low) for p in profiles(text.columns, text.select(measures(text.columns)))]
    [('member', 'int', 0, 4.0), ('plan', 'string', 1, None)]
    """
    seen = measured.row(0, named=True)
    return tuple(
        _profile(name, seen["rows"], {m: seen[f"{i}.{m}"] for m in _of(pl.col(name))})
        for i, name in enumerate(header)
    )


def _profile(name: str, rows: int, seen: dict[str, float | int | None]) -> Profile:
    count = {m: int(v or 0) for m, v in seen.items() if m not in ("low", "high")}
    full = rows - count["empty"]
    kind = next(
        (k for k in NARROW_FIRST if full and count[k] == full), None if count["nul"] else "string"
    )
    numeric = kind in ("int", "float")
    return Profile(
        name=name,
        rows=rows,
        empty=count["empty"],
        kind=kind,
        low=seen["low"] if numeric else None,
        high=seen["high"] if numeric else None,
        longest=count["longest"],
        distinct=count["distinct"],
        true=count["true"],
    )


def details(found: Sequence[Profile]) -> list[pl.Expr]:
    """What a second pass has to compute: the texts where they seem few, the exact count where all seem distinct."""
    few = [
        pl.col(p.name).drop_nulls().unique().sort().implode().alias(f"{p.name}.texts")
        for p in found
        if _seem_few(p)
    ]
    return few + [
        pl.col(p.name).n_unique().alias(f"{p.name}.unique") for p in found if _seem_distinct(p)
    ]


def detailed(found: Sequence[Profile], measured: pl.DataFrame) -> tuple[Profile, ...]:
    """The profiles with the answer to `details`.

    >>> text = pl.DataFrame({"member": ["17", "4"], "plan": ["Plus", "Plus"]})
    >>> found = profiles(text.columns, text.select(measures(text.columns)))
    >>> [(p.unique, p.texts) for p in detailed(found, text.select(details(found)))]
    [(True, None), (False, ('Plus',))]
    """
    seen = measured.row(0, named=True) if measured.width else {}
    return tuple(
        replace(
            p,
            texts=_texts(seen[f"{p.name}.texts"]) if _seem_few(p) else None,
            unique=_seem_distinct(p) and seen[f"{p.name}.unique"] == p.rows,
        )
        for p in found
    )


def as_ingest_reads(profile: Profile, text: pl.Series) -> Profile:
    """A column that looks like instants is text unless ingest reads every one: not all that look alike mix in one column."""
    columns = {text.name: Column(type="timestamp", nullable=True)}
    parts = text.to_frame().iter_slices(SLICE)
    wrong = any(
        read_cells(part, np.arange(len(part)), columns, key=text.name, table="")[1]
        for part in parts
    )
    return replace(profile, kind="string") if wrong else profile


def _seem_few(profile: Profile) -> bool:
    return profile.kind == "string" and profile.distinct <= 2 * FEW


def _seem_distinct(profile: Profile) -> bool:
    return (
        profile.empty == 0
        and profile.kind in ("int", "string")
        and profile.distinct >= 0.9 * profile.rows
    )


def _texts(values: list[str]) -> tuple[str, ...] | None:
    return tuple(values) if len(values) <= FEW else None
