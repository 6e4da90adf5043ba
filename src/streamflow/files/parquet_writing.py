"""Write rows as a Parquet file that exists completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from streamflow.errors import StreamflowError

if TYPE_CHECKING:
    import pyarrow as pa


def write_parquet(path: Path, batches: Iterator[pa.RecordBatch], *, replace: bool) -> int:
    """Write the rows of all batches, and return their number.

    Raises:
        StreamflowError: the file exists and may not be replaced, or it cannot be written.
    """
    from pyarrow import parquet

    if path.exists() and not replace:
        raise StreamflowError(
            f"{path} exists", remedy="Name another folder with --to, or replace it with --force."
        )
    first = next(batches, None)
    if first is None:
        return 0
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = 0
        with parquet.ParquetWriter(temporary, first.schema) as writer:
            while first is not None:
                rows += first.num_rows
                writer.write_batch(first)
                first = next(batches, None)
        temporary.replace(path)
    except OSError as exc:
        raise StreamflowError(
            f"{path}: {exc.strerror or exc}", remedy="Name another folder with --to."
        ) from exc
    finally:
        temporary.unlink(missing_ok=True)
    return rows
