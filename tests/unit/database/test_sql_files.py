"""Named SQL statements: how a file is read, and that every statement of the package is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import streamflow
from streamflow.database.sql_files import load_queries

PACKAGE = Path(streamflow.__file__).parent
SQL_FILES = sorted(PACKAGE.rglob("*.sql"))
LOADED = re.compile(r"load_queries\(__file__(?:, \"(?P<file>[a-z0-9_]+\.sql)\")?\)")
USED = re.compile(r"QUERIES\[\"(?P<name>[a-z0-9_]+)\"\]")

TWO_STATEMENTS = """
-- The statements of an example.

-- count_rows --
-- A comment with a sign that psycopg would read as a parameter: 100 %.
SELECT count(*)
FROM example
WHERE as_of = %(as_of)s

-- delete_rows --
DELETE FROM example
"""


def write(folder: Path, text: str, name: str = "queries.sql") -> str:
    """Write a file of statements, and return the path of a module beside it."""
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / "module.py")


def test_statements_are_read_by_name_and_without_their_comments(tmp_path: Path) -> None:
    queries = load_queries(write(tmp_path, TWO_STATEMENTS))
    assert {name: query.as_string() for name, query in queries.items()} == {
        "count_rows": "SELECT count(*)\nFROM example\nWHERE as_of = %(as_of)s",
        "delete_rows": "DELETE FROM example",
    }


def test_a_file_of_another_name_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    module = write(tmp_path, "-- one --\nSELECT 1\n", name="example.sql")
    assert load_queries(module, "example.sql")["one"].as_string() == "SELECT 1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1\n-- one --\nSELECT 1\n", "queries.sql: a statement stands before the first"),
        ("-- one --\nSELECT 1\n-- one --\nSELECT 2\n", "queries.sql: defined twice: one"),
    ],
)
def test_a_file_that_is_not_clear_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_queries(write(tmp_path, text))


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_named_statement_of_the_package_is_used(path: Path) -> None:
    """Each module that loads a file must use statements that exist, and together all of them."""
    names = set(load_queries(str(path.with_name("module.py")), path.name))
    used: set[str] = set()
    for module in path.parent.glob("*.py"):
        code = module.read_text(encoding="utf-8")
        loaded = LOADED.search(code)
        if loaded is not None and (loaded["file"] or "queries.sql") == path.name:
            used |= set(USED.findall(code))
    assert used == names


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_named_statement_is_explained_and_not_empty(path: Path) -> None:
    for name, query in load_queries(str(path.with_name("module.py")), path.name).items():
        header = f"-- {name} --\n-- "
        assert header in path.read_text(encoding="utf-8"), f"{name} has no comment"
        assert query.as_string(), f"{name} is empty"
