"""Read named SQL statements from a `.sql` file."""

from __future__ import annotations

import re
from pathlib import Path

from psycopg import sql

HEADER = re.compile(r"^-- (?P<name>[a-z][a-z0-9_]*) --$", re.MULTILINE)


def load_queries(module_file: str, name: str = "queries.sql") -> dict[str, sql.SQL]:
    """Read the statements of the file `name` that lies beside a module.

    Each statement begins with a line `-- name_of_the_statement --`. Comment lines below it say what it is for.

    Args:
        module_file: `__file__` of the module that runs the statements.
        name: the file in the same folder.

    Returns:
        name of each statement -> the statement, ready for `Connection.execute`.

    Raises:
        ValueError: a name is used twice, or text stands before the first name.
    """
    text = Path(module_file).with_name(name).read_text(encoding="utf-8")
    first, *parts = HEADER.split(text)
    if any(line.strip() and not line.startswith("--") for line in first.splitlines()):
        raise ValueError(f"{name}: a statement stands before the first '-- name --' line")
    names = parts[::2]
    repeated = sorted({query for query in names if names.count(query) > 1})
    if repeated:
        raise ValueError(f"{name}: defined twice: {', '.join(repeated)}")
    return {query: sql.SQL(body.strip()) for query, body in zip(names, parts[1::2], strict=True)}
