"""Our errors for those of Arrow, of PyIceberg and of the file system."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from streamflow.errors import LakeUnavailable, SnapshotDamaged

# Arrow writes this into each error of an object store.
STORE_MARK = "AWS Error"


@contextmanager
def translate_errors(subject: str) -> Iterator[None]:
    """Raise our errors for those of Arrow and of the file system."""
    try:
        yield
    except FileNotFoundError as exc:
        raise SnapshotDamaged(f"{subject}: a file is missing: {exc}", state="") from exc
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as exc:
        raise _describe_damage(subject, exc) from exc
    except OSError as exc:
        if _is_of_place(exc):
            raise LakeUnavailable(f"{subject}: {exc}") from exc
        raise _describe_damage(subject, exc) from exc


@contextmanager
def refuse_damaged_metadata(subject: str) -> Iterator[None]:
    """Raise SnapshotDamaged for what PyIceberg says of a file of metadata that it cannot read."""
    from pyiceberg.exceptions import ValidationError

    try:
        yield
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        AssertionError,
        EOFError,
        NotImplementedError,
        ValidationError,
        zlib.error,
    ) as exc:
        raise _describe_damage(subject, exc) from exc


def _is_of_place(error: OSError) -> bool:
    """Return whether an error is of the file system or of the store.

    Arrow also raises a plain OSError, without a number, for the content of a file: a page that
    cannot be unpacked, for example.
    """
    is_plain = type(error) is OSError and error.errno is None
    return not is_plain or STORE_MARK in str(error)


def _describe_damage(subject: str, error: Exception) -> SnapshotDamaged:
    return SnapshotDamaged(f"{subject}: it is not what was written: {error}", state="")
