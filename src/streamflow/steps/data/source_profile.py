"""Read a file whose format no catalog declares yet: guess the format, and profile its columns."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import FileFormat, kind_of
from streamflow.catalog.file_format import BLANKS
from streamflow.catalog.file_kinds import EXCEL
from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.cell_style import SAMPLED_VALUES, guess_style
from streamflow.core.onboarding.column_names import derive_names, number_name
from streamflow.core.onboarding.column_profile import FileProfile
from streamflow.core.onboarding.date_style import guess_dates
from streamflow.core.onboarding.file_batch import ExpectedColumns, FileBatch, count_batch
from streamflow.core.onboarding.file_tally import FileTally
from streamflow.core.onboarding.problems import Problem
from streamflow.core.onboarding.text_encoding import describe_wrong_kind, guess_encoding
from streamflow.core.onboarding.text_layout import guess_layout
from streamflow.errors import ContractViolation
from streamflow.files import csv_files, excel_files, source_files, table_files
from streamflow.files.read_ahead import map_ahead, read_ahead
from streamflow.files.source_files import TextFacts
from streamflow.steps.data.source_header import SourceFormat, guess_header, leave_types_out

SHOWN_RAGGED = 3
Batch = tuple[NDArray[np.int64], pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class ReadSource:
    """A file that was read completely. The tally knows the hashes of keys and rows."""

    path: Path
    profile: FileProfile
    tally: FileTally

    def find_cell(self, row: int, name: str) -> str:
        """Return the place of a cell and what it holds, as in `users.csv:490 'A-17'`."""
        column = self.profile.column(name)
        assert column is not None
        file_format = self.profile.file_format
        record = table_files.read_records(self.path, [row], file_format)[row]
        header = table_files.read_header(self.path, file_format)
        position = header.index(column.header)
        cell = record.cells[position]
        return f"{self.path.name}:{record.line} {cell!r}"


def read_source(path: Path, *, numbers_rows: str | None) -> ReadSource | Problem:
    """Guess the format of a file, and profile its columns in one pass.

    Args:
        numbers_rows: the name of the key that numbers the rows, if no column is the key.
    """
    try:
        return _read_source(path, numbers_rows)
    except (OSError, EOFError, zlib.error) as exc:
        return Problem(lines=(f"{path.name}: it cannot be read: {exc}",), remedy="Fetch it again")
    except ContractViolation as exc:
        line = exc.message.replace(f"{path}: ", f"{path.name}: ")
        return Problem(lines=(line,), remedy=_shorten_remedy(exc.remedy))


def _shorten_remedy(remedy: str) -> str:
    """Return what to do with a file, without the command to run after it."""
    action = re.split(",? and run ", remedy.rstrip("."))[0]
    return action[:1].upper() + action[1:]


def _read_source(path: Path, numbers_rows: str | None) -> ReadSource | Problem:
    wrong_kind = describe_wrong_kind(source_files.read_first_bytes(path), path.name)
    if wrong_kind:
        return Problem(lines=(f"{path.name}: {wrong_kind}",), remedy="Name the file as what it is")
    source = SourceFormat()
    if kind_of(path.name).is_text:
        facts = source_files.read_text_facts(path)
        _guess_text(facts, source)
        if facts.may_be_unreadable and (problem := _find_unreadable(path, source.file_format)):
            return problem
    elif kind_of(path.name) == EXCEL and (problem := _guess_sheet(path, source)):
        return problem
    try:
        return _read_columns(path, source, numbers_rows)
    except csv.Error:
        unreadable = _find_unreadable(path, source.file_format)
        if unreadable is None:
            raise
        return unreadable


def _read_columns(
    path: Path,
    source: SourceFormat,
    numbers_rows: str | None,
) -> ReadSource | Problem:
    """Read the header of a file and then its rows."""
    header = table_files.read_header(path, source.file_format)
    problem = guess_header(path, header, source) or leave_types_out(path, header, source)
    if problem:
        return problem
    return _tally(path, source, numbers_rows)


def _guess_text(facts: TextFacts, source: SourceFormat) -> None:
    """Guess encoding, separator and the line of the header."""
    encoding = guess_encoding(facts.head, is_utf8=facts.is_utf8, undefined=facts.undefined)
    if encoding.reason:
        source.declare(encoding.reason, encoding=encoding.encoding)
    text = facts.head.decode(encoding.encoding, errors="replace")
    layout = guess_layout(text)
    for option in ("separator", "skip_lines"):
        if option in layout.reasons:
            source.declare(layout.reasons[option], **{option: getattr(layout, option)})


def _find_unreadable(path: Path, file_format: FileFormat) -> Problem | None:
    """Find the record with which a text stops being readable."""
    unreadable = csv_files.find_unreadable_record(path, file_format)
    if unreadable is None:
        return None
    _, record = unreadable
    line = f"{path.name}:{record.line}: {record.problem}"
    return Problem(lines=(line,), remedy="Correct this line")


def _guess_sheet(path: Path, source: SourceFormat) -> Problem | None:
    """Choose the first sheet of several, and skip a title. Return why no sheet can be read."""
    damage = excel_files.find_archive_problem(path)
    if damage:
        remedy = "Save the file again, or export it as CSV"
        return Problem(lines=(f"{path.name}: it is {damage}",), remedy=remedy)
    sheets = source_files.list_sheets(path)
    if not sheets:
        return Problem(lines=(f"{path.name}: no visible sheet",), remedy="Show one of its sheets")
    if len(sheets) > 1:
        reason = f"the first of {len(sheets)} sheets: {', '.join(map(repr, sheets))}"
        source.declare(reason, sheet=sheets[0])
    title_rows = source_files.count_title_rows(path, source.file_format.sheet)
    if title_rows:
        reason = f"row {title_rows + 1} is the first with several cells"
        source.declare(reason, skip_lines=title_rows)
    return None


def _tally(path: Path, source: SourceFormat, numbers_rows: str | None) -> ReadSource | Problem:
    """Count what the columns of a file hold."""
    ragged: dict[int, int] = {}
    batches = table_files.read_batches(path, source.file_format, ragged)
    first_batch = next(batches, None)
    if first_batch is not None:
        is_text = kind_of(path.name).is_text
        _guess_values(first_batch[1], source, is_text=is_text)
        if not is_text:
            # Numbers of typed files are written with the decimal sign of the format.
            batches = table_files.read_batches(path, source.file_format, ragged)
        else:
            batches = chain([first_batch], batches)
    names = derive_names(table_files.read_headers(path, source.file_format))
    if numbers_rows:
        key_header = number_name(numbers_rows, table_files.read_header(path, source.file_format))
        source.declare("no column is the key", number_rows=True, key_header=key_header)
        names[key_header] = numbers_rows
    headers = table_files.read_headers(path, source.file_format)
    tally = FileTally(path.name, headers, source.file_format)
    if numbers_rows:
        batches = _number_rows(batches, key_header)
    _add_batches(tally, read_ahead(batches))
    problem = _describe_rows(path, source.file_format, tally, ragged)
    if problem:
        return problem
    reasons = _finish_reasons(tally, source)
    profile = tally.make_profile(names, reasons, source.doubts)
    records = table_files.read_records(path, profile.named_rows(), source.file_format)
    lines = {row: record.line for row, record in records.items()}
    return ReadSource(path=path, profile=profile.with_lines(lines), tally=tally)


def _number_rows(batches: Iterator[Batch], key_header: str) -> Iterator[Batch]:
    """Add the numbers of the rows to each batch as a column."""
    for rows, cells in batches:
        yield rows, table_files.add_row_numbers(rows, cells, key_header)


def _add_batches(tally: FileTally, batches: Iterator[Batch]) -> None:
    """Count all batches of a file, two at a time. The first one says which columns may be keys."""
    kind = kind_of(tally.file)

    def count(task: tuple[Batch, ExpectedColumns]) -> tuple[Batch, FileBatch]:
        (rows, cells), expected = task
        return (rows, cells), count_batch(rows, cells, expected, tally.file_format, kind)

    filled_batches = (batch for batch in batches if len(batch[0]))
    for batch in islice(filled_batches, 1):
        _, first_counts = count((batch, tally.expect()))
        tally.add(first_counts)
    tasks = ((batch, tally.expect()) for batch in filled_batches)
    for batch, counts in map_ahead(count, tasks):
        if tally.must_recount(counts):
            _, new_counts = count((batch, tally.expect()))
            tally.add(new_counts)
        else:
            tally.add(counts)


def _guess_values(cells: pl.DataFrame, source: SourceFormat, *, is_text: bool) -> None:
    """Guess how numbers and dates are written, from the first rows.

    The numbers of a file that is not text are in no doubt: a point is their decimal sign.
    """
    samples: dict[str, list[str]] = {}
    for column in cells.get_columns():
        values = column.drop_nulls().unique(maintain_order=True).head(SAMPLED_VALUES)
        samples[column.name] = values.str.strip_chars(BLANKS).to_list()
    numbers = guess_style(samples, separator=source.file_format.separator)
    columns = ", ".join(map(repr, numbers.columns))
    if numbers.columns:
        for option in ("decimal", "thousands"):
            value = getattr(numbers.style, option)
            if value != getattr(source.file_format, option):
                source.declare(f"the numbers of {columns}", **{option: value})
        if numbers.signs:
            source.declare(f"around the numbers of {columns}", signs=numbers.signs)
    if is_text:
        doubts = numbers.doubts.items()
        source.doubts += [numbers.style.describe_doubt(header, cell) for header, cell in doubts]
    dates = guess_dates(samples)
    if dates:
        source.declare(dates.reason, dates=dates.date_form)


def _describe_rows(
    path: Path,
    file_format: FileFormat,
    tally: FileTally,
    ragged: dict[int, int],
) -> Problem | None:
    """Say which rows have too many or too few cells, or that there are no rows."""
    if not tally.rows and not ragged:
        line = f"{path.name}: it has a header and no rows, so nothing can be guessed"
        return Problem(lines=(line,), remedy="Export a whole drop")
    if not ragged:
        return None
    width = len(table_files.read_header(path, file_format))
    shown_rows = sorted(ragged)[:SHOWN_RAGGED]
    records = table_files.read_records(path, shown_rows, file_format)
    expected = count_of(width, "cell")
    lines = []
    for row in shown_rows:
        line_number = records[row].line
        lines.append(f"{path.name}:{line_number}: expected {expected}, got {ragged[row]}")
    if len(ragged) > SHOWN_RAGGED:
        further_rows = count_of(len(ragged) - SHOWN_RAGGED, "row")
        lines.append(f"{path.name}: {further_rows} more with a different number of cells")
    return Problem(lines=tuple(lines), remedy="Correct or remove these lines")


def _finish_reasons(tally: FileTally, source: SourceFormat) -> dict[str, str]:
    """Add to the reason of a guessed encoding how many cells decide it."""
    reasons = dict(source.reasons)
    if source.file_format.encoding in ("windows-1252", "iso-8859-1"):
        deciding = sum(column.not_ascii for column in tally.columns.values())
        deciding += sum(not header.isascii() for header in tally.columns)
        cells = (tally.rows + 1) * len(tally.columns)
        share = f"{deciding / max(cells, 1):.2%}"
        reasons["encoding"] += f"; {deciding:,} of {count_of(cells, 'cell')} ({share}) decide it"
    return reasons
