"""Write text files, completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from streamflow.errors import StreamflowError


def refuse_existing(path: Path) -> None:
    """Raise StreamflowError when there is something at `path` already."""
    if path.exists() or path.is_symlink():
        raise StreamflowError(
            f"{path} exists",
            state="It was left as it is.",
            remedy="Name another file, or replace it with --force.",
        )


def write_text(path: Path, text: str, *, replace: bool) -> None:
    """Write a text file under a partial name first, and then move it to `path`.

    Args:
        replace: Replace a file that exists.

    Raises:
        StreamflowError: A file exists and `replace` is not set, or the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        if replace:
            partial.replace(path)
        else:
            # A hard link fails if a different process was faster, and replaces nothing.
            path.hardlink_to(partial)
    except FileExistsError:
        refuse_existing(path)
    except OSError as exc:
        raise StreamflowError(
            f"{path}: {exc.strerror or exc}",
            state="No file was written.",
            remedy="Name another file.",
        ) from exc
    finally:
        partial.unlink(missing_ok=True)
