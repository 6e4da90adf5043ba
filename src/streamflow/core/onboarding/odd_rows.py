"""Find rows that are no records: a header that is repeated in the middle of a file."""

from __future__ import annotations

from streamflow.core.onboarding.column_profile import FileProfile
from streamflow.core.onboarding.problems import Problem


def find_repeated_headers(file: FileProfile) -> list[Problem]:
    """Return a problem for each row whose cells repeat the headers of typed columns."""
    rows = {
        cell.row
        for column in file.columns
        if column.kind != "string"
        for cell in column.odd
        if cell.value == column.header
    }
    lines = tuple(f"{file.locate(row)}: the header is repeated here" for row in sorted(rows))
    return [Problem(lines=lines, remedy="Remove the repeated header")] if lines else []
