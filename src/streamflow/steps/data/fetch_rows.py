"""Fetch the rows of a database into a file of a drop, for `init`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from streamflow.core.onboarding.problems import Problem, refuse
from streamflow.database.foreign_rows import parse_source, stream_rows
from streamflow.errors import StreamflowError
from streamflow.files import text_files
from streamflow.files.parquet_writing import write_parquet


@contextmanager
def fetched_rows(
    url: str,
    folder: Path,
    *,
    query: str | None,
    out: Path,
    force: bool,
    notify: Callable[[str], None],
) -> Iterator[Path]:
    """Yield the file of `fetch_rows`. If the block is refused, remove the file again.

    So the user can correct the command and run it once more. A file that was there before stays.

    Args:
        out: the catalog that the block writes. If it may not be replaced, no row is read.
    """
    if not force:
        text_files.refuse_existing(out)
    existing = set(folder.glob("*.parquet"))
    path = fetch_rows(url, folder, query=query, force=force, notify=notify)
    try:
        yield path
    except StreamflowError:
        if path not in existing:
            path.unlink()
        raise


def fetch_rows(
    url: str,
    folder: Path,
    *,
    query: str | None = None,
    force: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write the rows of a table or a query into `folder`, and return the file.

    The file of an earlier call with the same table or query is replaced by the rows of today.
    The credentials in the URL are neither printed nor stored.

    Args:
        url: postgresql://…/database/schema.table; with a query, without the table.
        force: replace any file of this name.

    Raises:
        CatalogInvalid: the URL, the table or the query cannot be used, or there are no rows.
        DatabaseUnavailable: the server cannot be reached.
        StreamflowError: the file exists and has a different source, or cannot be written.
    """
    source = parse_source(url, query)
    path = folder / f"{source.name}.parquet"
    notify(f"reading {source.name} of {source.address.display}")
    rows = write_parquet(path, stream_rows(source), source=source.digest, replace=force)
    if not rows:
        line = f"--from {source.address.display}: {source.name} has no rows"
        refuse([Problem(lines=(line,), remedy="Name a table with rows")])
    return path
