"""Read CSV files as a stream, to count and to summarize: memory does not grow with the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from streamflow.errors import CatalogInvalid


def list_csv_names(folder: Path) -> list[str]:
    """List the names of the CSV files in a folder, in order. Hidden files are left out."""
    return sorted(path.name for path in folder.iterdir() if _is_csv(path))


def _is_csv(path: Path) -> bool:
    """Return whether the path is a CSV file that is not hidden."""
    return path.suffix.lower() == ".csv" and path.is_file() and not path.name.startswith(".")


def aggregate(path: Path, expressions: Sequence[pl.Expr]) -> pl.DataFrame:
    """Compute aggregates over all cells as text.

    An empty cell is null. The result has one row.
    """
    return _collect(_scan_cells(path).select(expressions), path)


def read_text_column(path: Path, name: str) -> pl.Series:
    """Read the cells of one column as text, in order; shape (n,)."""
    return _collect(_scan_cells(path).select(name), path).to_series()


def count_distinct(paths: Sequence[Path], name: str) -> int:
    """Count the different values that a column has in all files together."""
    columns = pl.concat([_scan_cells(path).select(name) for path in paths])
    count = columns.select(pl.col(name).n_unique())
    return int(_collect(count, paths[0].parent).item())


def _scan_cells(path: Path) -> pl.LazyFrame:
    """Scan a file with every cell as text, and with null for an empty cell."""
    # polars does not stream `replace`, but it streams `when`.
    filled = pl.when(pl.all() != "").then(pl.all())
    return pl.scan_csv(path, infer_schema=False).with_columns(filled)


def _collect(rows: pl.LazyFrame, path: Path) -> pl.DataFrame:
    """Read the rows as a stream. Raises CatalogInvalid when the file is not a CSV file."""
    try:
        return rows.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as exc:
        reason = str(exc).splitlines()[0]
        raise CatalogInvalid(
            f"{path}: not a CSV file in UTF-8, separated by commas, with one header: {reason}",
            state="No catalog was written.",
            remedy="Correct the file and run 'streamflow init' again.",
        ) from exc
