"""Compare the files of a drop, by their digests, with the drops that are stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from streamflow.catalog import Catalog
from streamflow.errors import DropConflict
from streamflow.warehouse.drops import DeliveredFile

Files = Mapping[str, DeliveredFile]  # table -> its delivered file


def new_files(catalog: Catalog, digests: Mapping[str, str]) -> dict[str, DeliveredFile]:
    """Return the delivered file of each table, by its digest; its rows are not counted yet."""
    return {
        table: DeliveredFile(
            table=table,
            file=catalog.file(table),
            sha256=digest,
            rows=0,
            reading=catalog.reading(table),
        )
        for table, digest in digests.items()
    }


def is_stored(files: Files, stored_files: Files) -> bool:
    """Return whether every file equals the file of its table that is stored for the same as_of.

    The same bytes that are read in a different format have different values.
    """
    return all(
        table in stored_files
        and stored_files[table].sha256 == file.sha256
        and stored_files[table].reading == file.reading
        for table, file in files.items()
    )


def refuse_copy(
    folder: Path,
    as_of: datetime,
    files: Files,
    deliveries: Mapping[datetime, Files],
) -> None:
    """Raise DropConflict when all files equal those of a drop with a different date.

    A whole drop under a second date is nearly always a mistake in the date. A single file is not
    compared.
    """
    if len(files) <= 1:
        return
    digests = {table: file.sha256 for table, file in files.items()}
    for at, stored_files in deliveries.items():
        if at == as_of:
            continue
        stored_digests = {table: file.sha256 for table, file in stored_files.items()}
        if digests == stored_digests:
            raise DropConflict(
                f"{folder}: every file equals that of the drop of {at:%Y-%m-%d}, "
                f"but the given date is {as_of:%Y-%m-%d}",
                remedy="Correct --as-of, or add --allow-same if really nothing changed between "
                "the two dates.",
                as_of=f"{as_of:%Y-%m-%d}",
                other=f"{at:%Y-%m-%d}",
            )
