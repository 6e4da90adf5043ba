"""CSV files read as a stream, for what only needs to be counted: memory does not grow with the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from streamflow.errors import CatalogInvalid


def csv_names(folder: Path) -> list[str]:
    """The names of the CSV files of a folder, in order."""
    return sorted(
        p.name
        for p in folder.iterdir()
        if p.suffix.lower() == ".csv" and p.is_file() and not p.name.startswith(".")
    )


def aggregate(path: Path, expressions: Sequence[pl.Expr]) -> pl.DataFrame:
    """One row: aggregates over all cells as text, a null where a cell is empty."""
    return _collected(_cells(path).select(expressions), path)


def text_column(path: Path, name: str) -> pl.Series:
    """The cells of one column, in order. (n,)"""
    return _collected(_cells(path).select(name), path).to_series()


def count_distinct(paths: Sequence[Path], name: str) -> int:
    """How many different values the column has in all files together."""
    together = pl.concat([_cells(p).select(name) for p in paths])
    return int(_collected(together.select(pl.col(name).n_unique()), paths[0].parent).item())


def _cells(path: Path) -> pl.LazyFrame:
    full = pl.when(pl.all() != "").then(pl.all())  # polars does not stream `replace`
    return pl.scan_csv(path, infer_schema=False).with_columns(full)


def _collected(rows: pl.LazyFrame, path: Path) -> pl.DataFrame:
    try:
        return rows.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as exc:
        raise CatalogInvalid(
            f"{path}: not a CSV file in UTF-8, separated by commas, with one header: {str(exc).splitlines()[0]}",
            state="No catalog was written.",
            remedy="Correct the file and run 'streamflow init' again.",
        ) from exc
