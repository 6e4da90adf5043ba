"""Read a drop: check every file of its folder against the catalog and spool the typed rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from streamflow.catalog import Catalog, kind_of
from streamflow.core.data.cell_contract import read_cells
from streamflow.core.data.cell_forms import name_cells
from streamflow.core.data.contract import HEADER_ROW, DropViolation, polars_type
from streamflow.core.data.counts import count_of
from streamflow.core.data.key_contract import check_keys_across_files, find_repeated_keys
from streamflow.errors import ContractViolation
from streamflow.files import table_files
from streamflow.files.csv_files import FileBytes
from streamflow.files.disk_space import naming_full_disk
from streamflow.files.spool import Spool
from streamflow.progress import Progress
from streamflow.steps.data.event_rows import EventRows
from streamflow.steps.data.file_checks import check_file, fatal_violation
from streamflow.steps.data.ragged_rows import find_ragged_rows

# Blanks, and characters of no width, at either end of a text.
INVISIBLE_ENDS = r"^[\s\u200b-\u200d\u2060\ufeff]|[\s\u200b-\u200d\u2060\ufeff]$"
SHOWN_KEYS = 3


@dataclass(frozen=True, kw_only=True)
class CheckedDrop:
    """The content of a drop's folder after every file was checked.

    spools      table -> its typed rows, including the rows that break the contract
    keys        table -> the key and the row number of each row
    violations  everything that breaks the contract
    warnings    what the contract allows, but a person should look at
    """

    spools: Mapping[str, Spool]
    keys: Mapping[str, pl.DataFrame]
    violations: tuple[DropViolation, ...]
    warnings: tuple[str, ...]


def inspect_files(folder: Path, catalog: Catalog, tables: tuple[str, ...]) -> dict[str, FileBytes]:
    """Return the size, line count, text check and digest of each table's file.

    Raises:
        ContractViolation: a file cannot be read.
    """
    facts: dict[str, FileBytes] = {}
    for table in tables:
        path = folder / catalog.file(table)
        try:
            facts[table] = table_files.inspect_file(path, catalog.file_format(table))
        except OSError as exc:
            raise ContractViolation(
                f"{path}: the file cannot be read: {exc.strerror}",
                remedy="make it readable.",
            ) from exc
    return facts


def read_drop(
    folder: Path,
    catalog: Catalog,
    facts: Mapping[str, FileBytes],
    earlier_keys: Mapping[str, pl.DataFrame],
    *,
    as_of: datetime,
    space: Path,
    closing: ExitStack,
    notify: Callable[[str], None],
) -> CheckedDrop:
    """Check every file of the drop and spool its typed rows.

    Args:
        facts: table -> what `inspect_files` read from the bytes of its file.
        earlier_keys: table -> the keys of an earlier delivery that stays in place.
        as_of: the date of the drop; warnings count the events after it.
        space: the folder that the spools use on disk; `closing` closes them.

    Raises:
        DiskFull: there is no space left for the spools.
    """
    progress = Progress(notify, f"checking {folder.name}", _count_rows(facts))
    spools: dict[str, Spool] = {}
    keys: dict[str, pl.DataFrame] = {}
    violations: list[DropViolation] = []
    event_rows = EventRows(catalog, as_of)
    with naming_full_disk(space):
        for table, file in facts.items():
            path = folder / catalog.file(table)
            header, table_violations = check_file(path, table, file, catalog)
            if not table_violations:
                spool = _open_spool(space, closing)
                spools[table] = spool
                keys[table], table_violations = _read_table(
                    path, table, catalog, spool, event_rows, progress, header=header
                )
            violations += table_violations
    key_violations = check_keys_across_files({**earlier_keys, **keys}, catalog)
    violations += _name_by_headers(key_violations, catalog)
    warnings = (*event_rows.warn_of_late_events(), *_warn_of_keys(keys, catalog))
    return CheckedDrop(spools=spools, keys=keys, violations=tuple(violations), warnings=warnings)


def _count_rows(facts: Mapping[str, FileBytes]) -> int:
    """Return the number of lines of all files after their headers."""
    return sum(max(file.lines - 1, 0) for file in facts.values())


def _warn_of_keys(keys: Mapping[str, pl.DataFrame], catalog: Catalog) -> list[str]:
    """Return the warnings about entity keys that a person could take for different ones."""
    return [*_warn_of_lookalikes(keys, catalog), *_warn_of_blanks(keys, catalog)]


def _open_spool(space: Path, closing: ExitStack) -> Spool:
    """Return a new spool, which `closing` closes."""
    spool = Spool(space)
    closing.callback(spool.close)
    return spool


def _read_table(
    path: Path,
    table: str,
    catalog: Catalog,
    spool: Spool,
    event_rows: EventRows,
    progress: Progress,
    *,
    header: Sequence[str],
) -> tuple[pl.DataFrame, Sequence[DropViolation]]:
    """Spool the typed rows of a file; return its keys with row numbers, and its violations."""
    ragged: dict[int, int] = {}  # row number -> its number of cells, where that is not the header's
    keys, violations = _spool_rows(path, table, catalog, spool, event_rows, progress, ragged)
    has_one_row_per_key = table not in catalog.events
    if keys.is_empty() and not ragged and has_one_row_per_key:
        no_rows = fatal_violation(table, expected="rows after the header", got="none")
        return keys, [no_rows]
    if has_one_row_per_key:
        violations += find_repeated_keys(keys, key=catalog.entity.key, table=table)
    violations = _name_by_headers(violations, catalog)
    ragged_rows = find_ragged_rows(path, table, catalog, header, ragged)
    if keys.is_empty():
        # Without a single good row, the file as a whole is unusable.
        ragged_rows = [replace(violation, fatal=True) for violation in ragged_rows]
    violations += ragged_rows
    return keys, sorted(violations, key=_file_order)


def _spool_rows(
    path: Path,
    table: str,
    catalog: Catalog,
    spool: Spool,
    event_rows: EventRows,
    progress: Progress,
    ragged: dict[int, int],
) -> tuple[pl.DataFrame, list[DropViolation]]:
    """Spool the typed rows of a file; return its keys with row numbers, and what is wrong in cells.

    Args:
        ragged: gets row number -> number of cells of each row that is left out.
    """
    key = catalog.entity.key
    columns = catalog.file_columns(table)
    headers = catalog.headers(table)
    file_format = catalog.file_format(table)
    key_parts = [_no_keys(catalog)]
    violations: list[DropViolation] = []
    for rows, text in table_files.read_batches(path, file_format, ragged):
        typed, cell_violations = read_cells(
            name_cells(text, headers),
            rows,
            columns,
            key=key,
            table=table,
            file_format=file_format,
            kind=kind_of(path.name),
        )
        spool.write(event_rows.number_rows(table, typed, rows))
        key_parts.append(typed.select(key).with_columns(row=rows))
        violations += cell_violations
        progress.add(len(rows))
    return pl.concat(key_parts), violations


def _name_by_headers(
    violations: Sequence[DropViolation],
    catalog: Catalog,
) -> list[DropViolation]:
    """Return the violations with the names that their columns have in the files."""
    tables = {violation.table for violation in violations}
    headers = {table: catalog.headers(table) for table in tables}
    renamed = []
    for violation in violations:
        if violation.column is None:
            renamed.append(violation)
        else:
            header = headers[violation.table][violation.column]
            renamed.append(replace(violation, column=header))
    return renamed


def _file_order(violation: DropViolation) -> tuple[int, str]:
    """Return the sort key of a violation: its row, then its column."""
    row = HEADER_ROW if violation.row is None else violation.row
    return row, violation.column or ""


def _no_keys(catalog: Catalog) -> pl.DataFrame:
    """Return a frame of keys and row numbers without rows."""
    key_type = polars_type(catalog.entity.type)
    return pl.DataFrame(schema={catalog.entity.key: key_type, "row": pl.Int64})


def _warn_of_lookalikes(keys: Mapping[str, pl.DataFrame], catalog: Catalog) -> list[str]:
    """Return a warning for each group of entity keys that differ only in their Unicode form.

    Such keys look the same to a person, but they are different.
    """
    entity_table = keys.get(catalog.entity.table)
    if entity_table is None:
        return []
    entity_keys = entity_table[catalog.entity.key]
    if entity_keys.dtype != pl.String:
        return []
    texts = entity_keys.drop_nulls()
    not_ascii = texts.filter(texts.str.len_bytes() != texts.str.len_chars())
    keys_and_forms = pl.DataFrame({"key": not_ascii, "form": not_ascii.str.normalize("NFC")})
    forms = keys_and_forms.unique("key")
    lookalikes = forms.filter(forms["form"].is_duplicated()).sort("form", "key")
    warnings = []
    for group in lookalikes.partition_by("form", maintain_order=True):
        names = " and ".join(map(ascii, group["key"]))
        warnings.append(
            f"the keys {names} differ only in their Unicode form: they count as different keys"
        )
    return warnings


def _warn_of_blanks(keys: Mapping[str, pl.DataFrame], catalog: Catalog) -> list[str]:
    """Return a warning if entity keys begin or end with a character that nobody sees."""
    entity_table = keys.get(catalog.entity.table)
    if entity_table is None or entity_table[catalog.entity.key].dtype != pl.String:
        return []
    texts = entity_table[catalog.entity.key].drop_nulls()
    padded = texts.filter(texts.str.contains(INVISIBLE_ENDS)).unique().sort()
    if padded.is_empty():
        return []
    shown = " and ".join(map(ascii, padded.head(SHOWN_KEYS)))
    return [
        f"{count_of(len(padded), 'key')} of {catalog.file(catalog.entity.table)} with a blank or a "
        f"character of no width at an end, which is a part of the key: {shown} "
        "(trim = true in [files.…] of the catalog removes blanks)"
    ]
