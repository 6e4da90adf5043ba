"""Refuse names that say nothing about what they hold: part of `make check`.

Run it as `python tools/check_names.py FOLDER ...`. It prints each place where such a name is
defined, and ends with exit code 1 if there is one.
It looks at variables, parameters, fields, functions, classes and modules, never at text.
To allow a name, delete it from VAGUE_NAMES in a commit that says why.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

# A name of this list does not tell what the value is. Use a noun: `violations`, `revision`.
VAGUE_NAMES = frozenset(
    """
    after all apart asked before both done each form found given held it kept known left made mine
    more most named of one other others own part parts place places read ready rest said same seen
    side sides stands strange stuff them then there these they thing things those told used wanted
    way what when where which whole why words wrong
    """.split()  # noqa: SIM905  # a list of literals would be long and no clearer
)


def defined_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each definition: variables, parameters, functions, classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def vague_names(path: Path) -> Iterator[str]:
    """Yield one line of text for each vague name that a file defines."""
    if path.stem in VAGUE_NAMES:
        yield f"{path}:1 module '{path.stem}'"
    for line, name in defined_names(ast.parse(path.read_text(encoding="utf-8"))):
        if name.strip("_").lower() in VAGUE_NAMES:
            yield f"{path}:{line} '{name}'"


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
