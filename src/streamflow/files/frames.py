"""Write frames to a Parquet or CSV file, completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import polars as pl

from streamflow.errors import StreamflowError


def require_known_ending(path: Path) -> None:
    """Check that the ending of a path names a kind of file that we write.

    Raises:
        StreamflowError: The name ends neither in .parquet nor in .csv.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise StreamflowError(
            f"{path}: the name must end in .parquet or .csv",
            state="No file was written.",
            remedy="",
        )


def write_rows(rows: Sequence[Any], row_type: type[Any], path: Path) -> None:
    """Write values of the dataclass `row_type`, with one column for each field, also of no rows."""
    names = [field.name for field in fields(row_type)]
    frame = pl.DataFrame([asdict(row) for row in rows], schema=names, infer_schema_length=None)
    write_frame(frame, path)


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame in the format that the ending of `path` names.

    Raises:
        StreamflowError: The ending is unknown, or the file cannot be written.
    """
    require_known_ending(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with _replacing(path, partial):
        if path.suffix == ".parquet":
            frame.write_parquet(partial)
        else:
            frame.write_csv(partial)


def write_chunks(chunks: Iterator[pl.DataFrame], path: Path, *, facts: Mapping[str, str]) -> None:
    """Write the chunks of a frame one after the other, in bounded memory.

    Args:
        chunks: At least one chunk; all have the same columns.
        facts: Metadata for the file. Only Parquet can hold it.

    Raises:
        StreamflowError: The ending is unknown, or the file cannot be written.
    """
    require_known_ending(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with _replacing(path, partial):
        if path.suffix == ".parquet":
            _write_parquet(chunks, partial, facts)
        else:
            _write_csv(chunks, partial)


@contextmanager
def _replacing(path: Path, partial: Path) -> Iterator[None]:
    """Move the partial file to `path` when it is complete, and remove it after an error."""
    try:
        yield
        partial.replace(path)
    except OSError as exc:
        raise StreamflowError(
            f"{path}: {exc.strerror or exc}",
            state="No file was written.",
            remedy="Name another file.",
        ) from exc
    finally:
        partial.unlink(missing_ok=True)


def _write_csv(chunks: Iterator[pl.DataFrame], path: Path) -> None:
    """Write the chunks as one CSV file with one header."""
    with path.open("wb") as file:
        for number, frame in enumerate(chunks):
            frame.write_csv(file, include_header=number == 0)


def _write_parquet(chunks: Iterator[pl.DataFrame], path: Path, facts: Mapping[str, str]) -> None:
    """Write the chunks as one Parquet file, with the schema of the first chunk."""
    from pyarrow import parquet

    first = next(chunks).to_arrow()
    schema = first.schema.with_metadata(dict(facts))
    with closing(parquet.ParquetWriter(path, schema)) as writer:
        writer.write_table(first.cast(schema))
        for frame in chunks:
            writer.write_table(frame.to_arrow().cast(schema))
