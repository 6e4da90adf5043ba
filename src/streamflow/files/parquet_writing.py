"""Write rows as a Parquet file that exists completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from streamflow.errors import StreamflowError

if TYPE_CHECKING:
    import pyarrow as pa


# The entry of a Parquet file with the digest of where streamflow read its rows.
SOURCE_ENTRY = b"streamflow.source"


def write_parquet(
    path: Path,
    batches: Iterator[pa.RecordBatch],
    *,
    source: str,
    replace: bool,
) -> int:
    """Write the rows of all batches, and return their number.

    A file that was written from the same source is replaced.

    Args:
        source: a digest of where the rows were read; it is stored in the file.
        replace: replace any other file too.

    Raises:
        StreamflowError: the file exists and may not be replaced, or it cannot be written.
    """
    if path.exists() and not replace and _read_source(path) != source:
        raise StreamflowError(
            f"{path} exists", remedy="Name another folder with --to, or replace it with --force."
        )
    first = next(batches, None)
    if first is None:
        return 0
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = _write_batches(temporary, first, batches, source=source)
        temporary.replace(path)
    except OSError as exc:
        raise StreamflowError(
            f"{path}: {exc.strerror or exc}", remedy="Name another folder with --to."
        ) from exc
    finally:
        temporary.unlink(missing_ok=True)
    return rows


def _write_batches(
    path: Path,
    first: pa.RecordBatch,
    following: Iterator[pa.RecordBatch],
    *,
    source: str,
) -> int:
    """Write the first batch and the following ones into a new file; return the number of rows."""
    from pyarrow import parquet

    rows = 0
    schema = first.schema.with_metadata({SOURCE_ENTRY: source.encode()})
    with parquet.ParquetWriter(path, schema) as writer:
        for batch in chain([first], following):
            rows += batch.num_rows
            writer.write_batch(batch)
    return rows


def _read_source(path: Path) -> str | None:
    """Return the digest of the source of a file; None if streamflow did not write it."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        metadata = parquet.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return None
    return metadata.get(SOURCE_ENTRY, b"").decode(errors="replace") or None
