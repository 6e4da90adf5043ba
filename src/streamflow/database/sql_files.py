"""Read named SQL statements from a `.sql` file."""

from __future__ import annotations

import re
from pathlib import Path

from psycopg import sql

HEADER = re.compile(r"^-- (?P<name>[a-z][a-z0-9_]*) --$", re.MULTILINE)

# A statement of such a file, for modules that may not import psycopg.
Query = sql.SQL


def load_queries(module_file: str, name: str = "queries.sql") -> dict[str, sql.SQL]:
    """Read the statements of the file `name` that lies beside a module.

    Each statement begins with a line `-- name_of_the_statement --`. Comment lines below it say
    what it is for. They are not sent to the server, so they may hold any character.

    Args:
        module_file: `__file__` of the module that runs the statements.
        name: the file in the same folder.

    Returns:
        name of each statement -> the statement, ready for `Connection.execute`.

    Raises:
        ValueError: a name is used twice, or text stands before the first name.
    """
    text = Path(module_file).with_name(name).read_text(encoding="utf-8")
    preamble, *names_and_bodies = HEADER.split(text)
    if _without_comments(preamble):
        raise ValueError(f"{name}: a statement stands before the first '-- name --' line")
    names = names_and_bodies[::2]
    bodies = names_and_bodies[1::2]
    repeated = sorted({query for query in names if names.count(query) > 1})
    if repeated:
        raise ValueError(f"{name}: defined twice: {', '.join(repeated)}")
    statements = [sql.SQL(_without_comments(body)) for body in bodies]
    return dict(zip(names, statements, strict=True))


def _without_comments(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).strip()
