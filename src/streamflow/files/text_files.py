"""Text files out, whole or not at all."""

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
    """Write beside `path` first and then in its place; what is there already is an error unless `replace`."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        if replace:
            partial.replace(path)
        else:
            path.hardlink_to(
                partial
            )  # fails where another process was faster, and replaces nothing
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
