"""Frames that come in parts, into one Parquet or CSV file, whole or not at all, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import polars as pl

from streamflow.errors import StreamflowError


def require_kind(path: Path) -> None:
    """Raise StreamflowError unless the ending names a kind of file that we write."""
    if path.suffix not in (".parquet", ".csv"):
        raise StreamflowError(
            f"{path}: the name must end in .parquet or .csv",
            state="No file was written.",
            remedy="",
        )


def write_parts(parts: Iterator[pl.DataFrame], path: Path, *, facts: Mapping[str, str]) -> None:
    """Write the parts, of which there is at least one, beside `path` first and then in its place; Parquet holds `facts` too."""
    require_kind(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if path.suffix == ".parquet":
            _parquet(parts, partial, facts)
        else:
            _csv(parts, partial)
        partial.replace(path)
    except OSError as exc:
        raise StreamflowError(
            f"{path}: {exc.strerror or exc}",
            state="No file was written.",
            remedy="Name another file.",
        ) from exc
    finally:
        partial.unlink(missing_ok=True)


def _csv(parts: Iterator[pl.DataFrame], path: Path) -> None:
    with path.open("wb") as file:
        for number, part in enumerate(parts):
            part.write_csv(file, include_header=number == 0)


def _parquet(parts: Iterator[pl.DataFrame], path: Path, facts: Mapping[str, str]) -> None:
    from pyarrow import parquet

    first = next(parts).to_arrow()
    schema = first.schema.with_metadata(dict(facts))
    with closing(parquet.ParquetWriter(path, schema)) as writer:
        writer.write_table(first.cast(schema))
        for part in parts:
            writer.write_table(part.to_arrow().cast(schema))
