"""Our errors for those of Arrow and of the file system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from streamflow.errors import LakeUnavailable, SnapshotDamaged


@contextmanager
def translate_errors(subject: str) -> Iterator[None]:
    """Raise our errors for those of Arrow and of the file system."""
    try:
        yield
    except FileNotFoundError as exc:
        raise SnapshotDamaged(f"{subject}: a file is missing: {exc}", state="") from exc
    except pa.ArrowInvalid as exc:
        raise SnapshotDamaged(f"{subject}: it is not what was written: {exc}", state="") from exc
    except OSError as exc:
        if isinstance(exc, pa.ArrowException) or "Parquet" in str(exc):
            raise SnapshotDamaged(
                f"{subject}: it is not what was written: {exc}", state=""
            ) from exc
        raise LakeUnavailable(f"{subject}: {exc}") from exc
