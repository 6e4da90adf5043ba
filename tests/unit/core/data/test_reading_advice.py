"""What is advised for a file in a different format can be declared, and reads the file."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from streamflow.catalog import Column, ColumnType, FileFormat
from streamflow.catalog.file_kinds import CSV
from streamflow.core.data.cell_forms import canonical_cell
from streamflow.core.data.reading_advice import advise_format

Options = dict[str, Any]


@pytest.mark.parametrize(
    ("declared", "column_type", "cells", "advice"),
    [
        ({}, "float", ["1,5", "2,25"], {"decimal": ","}),
        ({}, "float", ["1,234.5"], {"thousands": ","}),
        ({}, "float", ["1 234,5"], {"decimal": ",", "thousands": " "}),
        ({}, "float", ["1’234.5"], {"thousands": "’"}),
        # The sign that is declared is the one that the file has between its groups.
        ({"decimal": ","}, "float", ["1,234,567"], {"decimal": ".", "thousands": ","}),
        ({"decimal": ","}, "float", ["1,234.5"], {"decimal": ".", "thousands": ","}),
        ({"thousands": ","}, "float", ["1,5"], {"decimal": ",", "thousands": ""}),
        ({"thousands": ","}, "int", ["1.234.567"], {"decimal": ",", "thousands": "."}),
        ({"decimal": ",", "thousands": "."}, "float", ["1.5"], {"decimal": ".", "thousands": ""}),
        ({"signs": ("€",)}, "float", ["5 USD", "6 €"], {"signs": ("USD", "€")}),
        ({}, "float", ["e5", "5 %"], {"signs": ("%",)}),
        # A word has one meaning in a file.
        ({"nulls": ("n",)}, "bool", ["n", "y"], {"true": ("y",)}),
        ({"false": ("T",)}, "bool", ["T", "t", "F"], {"true": ("t",), "false": ("T", "F")}),
        ({"false": ("none",)}, "bool", ["none", "NA"], {"nulls": ("NA",)}),
    ],
)
def test_the_advice_can_be_declared(
    declared: Options, column_type: ColumnType, cells: list[str], advice: Options
) -> None:
    file_format = FileFormat(**declared)
    columns = {"x": Column(type=column_type, nullable=True)}
    frame = pl.DataFrame({"x": cells})
    changes, more = advise_format(frame, columns, file_format, CSV)
    assert changes == advice
    assert more > 0
    changed_format = FileFormat(**{**declared, **changes})
    again, none = advise_format(frame, columns, changed_format, CSV)
    assert (again, none) == ({}, 0)


def test_a_file_that_is_as_declared_gets_no_advice() -> None:
    german = FileFormat(decimal=",", thousands=".", signs=("€",), nulls=("-",))
    frame = pl.DataFrame({"x": ["1.234,50 €", "-", "7"]})
    columns = {"x": Column(type="float", nullable=True)}
    assert advise_format(frame, columns, german, CSV) == ({}, 0)
    text = frame.select(canonical_cell(pl.col("x"), "float", german)).to_series()
    assert text.to_list() == ["1234.50", None, "7"]
