"""Write values of typed files as the text that a CSV file would hold.

A bool is True or False, a date YYYY-MM-DD, an instant YYYY-MM-DD HH:MM:SS and Z if its zone is
known, a float its shortest form with the declared decimal sign. An empty text is a null. A date or
an instant that no calendar has, such as the infinity of a database, is written as no date, so that
the check of the cell names it.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from streamflow.catalog.file_format import FileFormat

# polars panics if it writes a date that is farther from 1970: these are about 200,000 years.
MOST_DAYS = 73_000_000
# All nanoseconds of 64 bits are within these years.
MOST_UNITS = {"ms": MOST_DAYS * 86_400_000, "us": MOST_DAYS * 86_400_000_000, "ns": 2**63 - 1}


def write_cells(values: pl.Series, file_format: FileFormat) -> pl.Series:
    """Return the cells of a column as text.

    >>> write_cells(pl.Series([1.5, None, 1e-7]), FileFormat(decimal=",")).to_list()
    ['1,5', None, '1e-7']
    """
    cell = pl.col(values.name)
    dtype = values.dtype
    if dtype == pl.Boolean:
        true = pl.lit("True")
        false = pl.lit("False")
        written: pl.Expr = pl.when(cell).then(true).when(~cell).then(false)
    elif isinstance(dtype, pl.Datetime):
        most_units = MOST_UNITS[dtype.time_unit]
        written = _write_known(cell, most_units, lambda dates: _write_instants(dates, dtype))
    elif dtype == pl.Date:
        written = _write_known(cell, MOST_DAYS, lambda dates: dates.dt.to_string("%Y-%m-%d"))
    elif dtype.is_float() or dtype.is_decimal():
        number = cell.cast(pl.String)
        written = number.str.replace(".", file_format.decimal, literal=True)
    else:
        written = cell.cast(pl.String)
    texts = values.to_frame().select(written.alias(values.name))
    filled = pl.when(cell != "").then(cell)
    return texts.select(filled).to_series()


def _write_known(cell: pl.Expr, limit: int, write: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """Write dates or instants, and those farther from 1970 than the limit as no date."""
    number = cell.to_physical()
    is_known = number.is_between(-limit, limit)
    unknown = pl.concat_str(number.cast(pl.String), pl.lit(" is no date"))
    return pl.when(is_known).then(write(pl.when(is_known).then(cell))).otherwise(unknown)


def _write_instants(cell: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """Write instants in UTC. Without a zone an instant is UTC already, as in a CSV file."""
    instant_format = "%Y-%m-%d %H:%M:%S%.f"
    if dtype.time_zone is None:
        return cell.dt.to_string(instant_format)
    return cell.dt.convert_time_zone("UTC").dt.to_string(f"{instant_format}Z")
