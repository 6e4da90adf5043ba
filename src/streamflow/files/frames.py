"""Frames out: Parquet or CSV, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from streamflow.errors import StreamflowError


def write_rows(rows: Sequence[Any], path: Path) -> None:
    """Write frozen values of one dataclass, a column per field."""
    frame = pl.DataFrame([asdict(row) for row in rows], infer_schema_length=None)
    write_frame(frame, path)


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """Write `frame` as the ending of `path` says, beside it first and then in its place."""
    if path.suffix not in (".parquet", ".csv"):
        raise StreamflowError(
            f"{path}: the name must end in .parquet or .csv",
            state="No file was written.",
            remedy="",
        )
    partial = path.with_name(f".{path.name}.partial")
    try:
        if path.suffix == ".parquet":
            frame.write_parquet(partial)
        else:
            frame.write_csv(partial)
        partial.replace(path)
    except OSError as exc:
        raise StreamflowError(
            f"{path}: {exc.strerror or exc}",
            state="No file was written.",
            remedy="Name another file.",
        ) from exc
    finally:
        partial.unlink(missing_ok=True)
