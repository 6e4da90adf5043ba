"""Write values of typed files as the text that a CSV file would hold.

A bool is True or False, a date YYYY-MM-DD, an instant YYYY-MM-DD HH:MM:SS and Z if its zone is
known, a float its shortest form with the declared decimal sign. An empty text is a null.
"""

from __future__ import annotations

import polars as pl

from streamflow.catalog.file_format import FileFormat


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
        written = _write_instants(cell, dtype)
    elif dtype == pl.Date:
        written = cell.dt.to_string("%Y-%m-%d")
    elif dtype.is_float() or dtype.is_decimal():
        number = cell.cast(pl.String)
        written = number.str.replace(".", file_format.decimal, literal=True)
    else:
        written = cell.cast(pl.String)
    texts = values.to_frame().select(written.alias(values.name))
    filled = pl.when(cell != "").then(cell)
    return texts.select(filled).to_series()


def _write_instants(cell: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """Write instants in UTC. Without a zone an instant is UTC already, as in a CSV file."""
    instant_format = "%Y-%m-%d %H:%M:%S%.f"
    if dtype.time_zone is None:
        return cell.dt.to_string(instant_format)
    return cell.dt.convert_time_zone("UTC").dt.to_string(f"{instant_format}Z")
