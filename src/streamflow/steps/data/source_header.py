"""Guess what the header of a file needs to be read: blanks removed, and columns left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamflow.catalog import FileFormat, kind_of
from streamflow.catalog.file_format import BLANKS
from streamflow.catalog.file_kinds import PARQUET
from streamflow.column import MAX_HEADER
from streamflow.core.data.contract import quote_cell
from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.problems import Problem
from streamflow.files import parquet_files


@dataclass(kw_only=True)
class SourceFormat:
    """The format of a file as far as it is guessed, what decided each option, and what none did."""

    file_format: FileFormat = field(default_factory=FileFormat)
    reasons: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    def declare(self, reason: str, **options: Any) -> None:
        """Change options of the format. The reason belongs to the first of them."""
        values = {**self.file_format.model_dump(), **options}
        self.file_format = FileFormat.model_validate(values)
        self.reasons[next(iter(options))] = reason


def guess_header(path: Path, header: list[str], source: SourceFormat) -> Problem | None:
    """Guess what the header needs: blanks removed, and columns without a name ignored."""
    if not header:
        return Problem(lines=(f"{path.name}: it has no header",), remedy="Export the file again")
    bare_header = [name.strip(BLANKS) for name in header]
    padded = sum(bare != name for bare, name in zip(bare_header, header, strict=True))
    if padded:
        reason = f"{count_of(padded, 'header has', 'headers have')} blanks around"
        source.declare(reason, trim=True)
    unnamed = bare_header.count("")
    if unnamed:
        reason = f"{count_of(unnamed, 'column has', 'columns have')} no header"
        source.declare(reason + _explain_no_name(bare_header), ignore=("",))
    return _find_repeated_names(path, bare_header) or _find_impossible_names(path, bare_header)


def leave_types_out(path: Path, header: list[str], source: SourceFormat) -> Problem | None:
    """Ignore the columns of a Parquet file whose values are no cells of text."""
    if kind_of(path.name) != PARQUET:
        return None
    types = dict(parquet_files.find_types_without_text(path, source.file_format))
    if not types:
        return None
    ignored = source.file_format.ignore
    if len(types) == len([name for name in header if name.strip(BLANKS) not in ignored]):
        lines = [f"{path.name}: column {name!r} has the type {types[name]}" for name in types]
        remedy = "Write a file with columns of text, numbers, bools, dates or instants"
        return Problem(lines=tuple(lines), remedy=remedy)
    reasons = [
        f"{name!r} has the type {types[name]}, which no cell of text can hold" for name in types
    ]
    if "ignore" in source.reasons:
        reasons.insert(0, source.reasons["ignore"])
    source.declare("; ".join(reasons), ignore=(*ignored, *types))
    return None


def _explain_no_name(header: list[str]) -> str:
    """Say why a header has a column without a name, as far as its place tells that."""
    if header[0] == "":
        return ", an index"
    if header[-1] == "":
        return ", after a separator at the end of lines"
    return ""


def _find_repeated_names(path: Path, header: list[str]) -> Problem | None:
    """Find the names that are in a header more than once."""
    lines = []
    for name in sorted(set(header)):
        count = header.count(name)
        if name and count > 1:
            times = count_of(count, "time")
            lines.append(f"{path.name}: column {name!r} is in the header {times}")
    if not lines:
        return None
    return Problem(lines=tuple(lines), remedy="Give each column its own name")


def _find_impossible_names(path: Path, header: list[str]) -> Problem | None:
    """Find the names that no catalog can have as a header, such as the text of a whole question."""
    lines = []
    for position, name in enumerate(header, 1):
        if len(name) > MAX_HEADER:
            problem = f"is longer than {MAX_HEADER} characters"
        elif "\0" in name:
            problem = "holds a NUL"
        else:
            continue
        lines.append(f"{path.name}: the header of column {position} {problem}: {quote_cell(name)}")
    if not lines:
        return None
    return Problem(
        lines=tuple(lines),
        remedy="Give each of these columns a shorter, plain name",
    )
