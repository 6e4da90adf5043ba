"""Reading a drop: every file of a folder, checked whole against the catalog, its typed rows kept aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.data.contract import Violation, header_violations, read_cells
from streamflow.core.data.key_contract import cross_check, repeated_keys
from streamflow.errors import ContractViolation
from streamflow.files import csv_files
from streamflow.files.csv_files import FileBytes
from streamflow.files.disk_space import named_when_full
from streamflow.files.spool import Spool
from streamflow.progress import Progress

NOTHING = "none"


@dataclass(frozen=True, kw_only=True)
class ReadDrop:
    """What a folder holds.

    spools      table -> its typed rows; rows with a violation are among them
    keys        table -> the key and the number of each row
    warnings    what is allowed and still worth a look
    """

    spools: Mapping[str, Spool]
    keys: Mapping[str, pl.DataFrame]
    violations: tuple[Violation, ...]
    warnings: tuple[str, ...]


def delivered_tables(folder: Path, catalog: Catalog) -> tuple[str, ...]:
    """The tables whose files are there: all, all but the labels, or the labels alone. Raises ContractViolation."""
    if not folder.is_dir():
        said = "no such folder" if not folder.exists() else "this is a file"
        raise ContractViolation(
            f"{folder}: {said}", remedy="name the folder that holds the drop's CSV files."
        )
    strange = {t: what for t in catalog.tables if (what := _no_file(folder / catalog.file(t)))}
    there = tuple(t for t in catalog.tables if t not in strange)
    needed = () if there == (catalog.label.table,) else catalog.feature_tables
    lines = [
        f"{folder / catalog.file(t)}: expected a file of the drop, got {what}"
        for t, what in strange.items()
        if what != NOTHING or t in needed
    ]
    if lines:
        nothing = (
            []
            if there
            else ["(none of the catalog's files is in this folder: is it the right one?)"]
        )
        raise ContractViolation(
            "\n".join([*lines, *nothing]),
            violations=lines,
            remedy="add the missing files and run 'streamflow ingest' again.",
        )
    return there


def _no_file(path: Path) -> str:
    """What is there in place of a file; empty when it is one."""
    if path.is_file():
        return ""
    if path.is_dir():
        return "a folder"
    return f"a link to {path.readlink()}, which is not there" if path.is_symlink() else NOTHING


def inspect_files(folder: Path, catalog: Catalog, tables: tuple[str, ...]) -> dict[str, FileBytes]:
    """Table -> what the bytes of its file tell."""
    found = {}
    for table in tables:
        path = folder / catalog.file(table)
        try:
            found[table] = csv_files.inspect(path)
        except OSError as exc:
            raise ContractViolation(
                f"{path}: the file cannot be read: {exc.strerror}", remedy="make it readable."
            ) from exc
    return found


def read_drop(
    folder: Path,
    catalog: Catalog,
    facts: Mapping[str, FileBytes],
    earlier: Mapping[str, pl.DataFrame],
    *,
    space: Path,
    closing: ExitStack,
    notify: Callable[[str], None],
) -> ReadDrop:
    """Check every file; `earlier` are the keys of what was delivered before and stays. Spools take their `space` there.

    Raises DiskFull.
    """
    progress = Progress(
        notify, f"checking {folder.name}", sum(max(f.lines - 1, 0) for f in facts.values())
    )
    spools, keys, violations = {}, {}, []
    with named_when_full(space):
        for table, bytes_ in facts.items():
            path, spool = folder / catalog.file(table), Spool(space)
            closing.callback(spool.close)
            wrong = _unreadable(path, table, bytes_, catalog)
            if not wrong:
                keys[table], wrong = _read_table(path, table, catalog, spool, progress)
                spools[table] = spool
            violations += wrong
    violations += cross_check({**earlier, **keys}, catalog)
    owner = keys.get(catalog.entity.table)
    warnings = _alike(owner[catalog.entity.key]) if owner is not None else []
    return ReadDrop(
        spools=spools, keys=keys, violations=tuple(violations), warnings=tuple(warnings)
    )


def _unreadable(path: Path, table: str, facts: FileBytes, catalog: Catalog) -> list[Violation]:
    """Why the file cannot be read as CSV with the catalog's columns."""

    def fatal(row: int, column: str | None, expected: str, got: str) -> Violation:
        return Violation(
            table=table, column=column, row=row, expected=expected, got=got, fatal=True
        )

    if facts.size == 0:
        return [fatal(-1, None, "a header and rows", "an empty file")]
    header = csv_files.read_header(path)
    if header and header[0].startswith(csv_files.BOM):
        return [
            fatal(-1, None, "plain UTF-8", "a byte order mark (export it as UTF-8 without BOM)")
        ]
    if not facts.is_text:
        return [
            fatal(row, header[place] if place < len(header) else None, "text in UTF-8", what)
            for row, place, what in csv_files.spoiled_cells(path)
        ]
    return header_violations(table, header, list(catalog.file_columns(table)))


def _read_table(
    path: Path, table: str, catalog: Catalog, spool: Spool, progress: Progress
) -> tuple[pl.DataFrame, list[Violation]]:
    key, columns = catalog.entity.key, catalog.file_columns(table)
    parts: list[pl.DataFrame] = []
    violations: list[Violation] = []
    ragged: dict[int, int] = {}
    for rows, text in csv_files.read_batches(path, ragged):
        typed, wrong = read_cells(text, rows, columns, key=key, table=table)
        spool.write(typed)
        parts.append(typed.select(key).with_columns(row=rows))
        violations += wrong
        progress.add(len(rows))
    violations += [
        Violation(
            table=table, column=None, row=row, expected=f"{len(columns)} cells", got=f"{cells}"
        )
        for row, cells in ragged.items()
    ]
    if not parts or not sum(map(len, parts)) + len(ragged):
        return _no_keys(catalog), [
            Violation(
                table=table,
                column=None,
                row=-1,
                expected="rows after the header",
                got="none",
                fatal=True,
            )
        ]
    keys = pl.concat(parts)
    violations += repeated_keys(keys, key=key, table=table)
    return keys, sorted(
        violations, key=lambda v: (v.row if v.row is not None else -1, v.column or "")
    )


def _no_keys(catalog: Catalog) -> pl.DataFrame:
    kind = pl.String if catalog.entity.type == "string" else pl.Int64
    return pl.DataFrame(schema={catalog.entity.key: kind, "row": pl.Int64})


def _alike(keys: pl.Series) -> list[str]:
    """Keys that look the same and are not: they differ only in their Unicode form."""
    if keys.dtype != pl.String:
        return []
    strange = keys.drop_nulls().filter(
        keys.drop_nulls().str.len_bytes() != keys.drop_nulls().str.len_chars()
    )
    forms = pl.DataFrame({"key": strange, "form": strange.str.normalize("NFC")}).unique("key")
    twins = forms.filter(forms["form"].is_duplicated()).sort("form", "key")
    return [
        f"the keys {' and '.join(map(ascii, group['key']))} differ only in their Unicode form: they are taken as different"
        for group in twins.partition_by("form", maintain_order=True)
    ]
