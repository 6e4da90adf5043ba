"""Refuse names that say nothing about what they hold: part of `make check`.

Run it as `python tools/check_names.py FOLDER ...`.
It prints each place, and ends with 1 if there is one.
It looks at variables, parameters, fields, functions, classes and modules, never at text.
To allow a name, delete it from VAGUE_NAMES in a commit that says why. A name that something outside
the code fixes, such as a stored file, is allowed in its modules by FIXED_NAMES.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

# A name of this list does not tell a reader what the value is.
# Use a noun: `violations`, `revision`.
VAGUE_NAMES = frozenset(
    """
    after all apart asked before both done each form found given held it kept known left made mine
    more most named of one other others own part parts place places read ready rest said same seen
    side sides stands strange stuff them then there these they thing things those told used wanted
    way what when where which whole why words wrong
    """.split()  # noqa: SIM905  # a list of literals would be long and no clearer
)
# A function may have the name of a verb.
VERBS = frozenset({"read"})


class FixedName(NamedTuple):
    """A name that something outside the code fixes, and the modules that must use it."""

    name: str
    modules: tuple[str, ...]
    reason: str


FIXED_NAMES = (
    FixedName("why", ("*",), "the option --why, and the column of ledger, tombstones, retrainings"),
    FixedName(
        "words",
        ("*/column.py", "*/core/serving/reasons.py", "*/models/reasons.py", "*/api/answers.py"),
        "the key 'words' of catalog.toml and of the answers of /explain",
    ),
    FixedName("words", ("*/core/training/honesty.py",), "stored in label_honesty.json"),
    FixedName("of", ("*/core/training/default_costs.py",), "stored in default_costs.json"),
    FixedName("parts", ("*/core/training/certificate.py",), "stored in the passport"),
    FixedName("parts", ("*/core/versions/manifest.py",), "stored in the manifest of an export"),
    FixedName("given", ("*/core/monitoring/report.py",), "stored in the report.json of monitor"),
    FixedName("all", ("*/core/monitoring/report.py",), "stored in the report.json of monitor"),
    FixedName("others", ("*/core/monitoring/report.py",), "stored in the report.json of monitor"),
    FixedName("then", ("*/core/monitoring/report.py",), "stored in the report.json of monitor"),
    FixedName(
        "what",
        ("*/core/data/difference.py", "*/core/training/violations.py"),
        "JSON that recorded code prints, which 'reproduce --code recorded' reads",
    ),
    FixedName("found", ("*/core/training/violations.py",), "stands beside 'expected' in that JSON"),
    FixedName("ready", ("*/api/inference_schema.py",), "a field of the Open Inference Protocol"),
    FixedName("WRONG", ("*/doctor/finding.py",), "the state that 'doctor' prints"),
    FixedName("AFTER", ("*/migrations/versions/0007_ledger.py",), "a migration is never edited"),
)


class Definition(NamedTuple):
    """A name that a file defines."""

    line: int
    name: str
    is_function: bool


def definitions(tree: ast.Module) -> Iterator[Definition]:
    """Yield each definition of a file: variables, parameters, functions, classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield Definition(node.lineno, node.id, is_function=False)
        elif isinstance(node, ast.arg):
            yield Definition(node.lineno, node.arg, is_function=False)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Definition(node.lineno, node.name, is_function=True)
        elif isinstance(node, ast.ClassDef):
            yield Definition(node.lineno, node.name, is_function=False)


def is_vague(definition: Definition, path: Path) -> bool:
    """Return whether a name says nothing, and nothing outside the code fixes it."""
    is_dunder = definition.name.startswith("__") and definition.name.endswith("__")
    bare_name = definition.name.strip("_").lower()
    is_verb = definition.is_function and bare_name in VERBS
    return bare_name in VAGUE_NAMES and not (is_dunder or is_verb or is_fixed(bare_name, path))


def is_fixed(bare_name: str, path: Path) -> bool:
    """Return whether something outside the code fixes this name in this file."""
    return any(
        fixed.name.lower() == bare_name and fnmatch(path.as_posix(), pattern)
        for fixed in FIXED_NAMES
        for pattern in fixed.modules
    )


def vague_names(path: Path) -> Iterator[str]:
    """Yield one line of text for each vague name that a file defines."""
    if path.stem in VAGUE_NAMES:
        yield f"{path}:1 module '{path.stem}'"
    for definition in definitions(ast.parse(path.read_text(encoding="utf-8"))):
        if is_vague(definition, path):
            yield f"{path}:{definition.line} '{definition.name}'"


def main(folders: list[str]) -> int:
    """Print each vague name below the folders; return 1 if there is one."""
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    places = [place for path in files for place in vague_names(path)]
    for place in places:
        print(f"{place}: say what it holds (a noun of docs/glossary.md or of the field)")
    print(f"{len(files)} files, {len(places)} vague names")
    return 1 if places or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
