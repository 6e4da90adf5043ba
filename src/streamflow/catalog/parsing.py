"""Read a catalog from TOML, and name the line of every mistake."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from streamflow.catalog.definition import Catalog
from streamflow.errors import CatalogInvalid

DEFAULT_PATH = Path(__file__).parents[1] / "catalog.toml"


def load_catalog(path: Path | None) -> Catalog:
    """Read the user's catalog at `path`, or the catalog that comes with streamflow."""
    path = path or DEFAULT_PATH
    return parse_catalog(read_catalog_text(path), origin=str(path))


def read_catalog_text(path: Path) -> str:
    """Read the text of a catalog. Raises CatalogInvalid when the file cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise CatalogInvalid(f"{path}: the catalog cannot be read: {exc}") from exc


def parse_catalog(text: str, *, origin: str) -> Catalog:
    """Read a catalog from its text; `origin` names the text in errors.

    Raises CatalogInvalid with every mistake and its place in the TOML.
    """
    try:
        values: Mapping[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise CatalogInvalid(f"{origin}: {exc}") from exc
    try:
        return Catalog.model_validate(values)
    except ValidationError as exc:
        lines = text.splitlines()
        mistakes = []
        for error in exc.errors():
            path = tuple(map(str, error["loc"]))
            mistakes.append(_describe_mistake(lines, origin, path, error["msg"]))
        raise CatalogInvalid("\n".join(mistakes), violations=mistakes) from exc


def _describe_mistake(
    lines: Sequence[str],
    origin: str,
    path: tuple[str, ...],
    message: str,
) -> str:
    """Write a mistake as `catalog.toml:17 tables.users.columns.age.type: …`."""
    number = _find_line(lines, path)
    position = f"{origin}:{number}" if number else origin
    text = message.removeprefix("Value error, ")
    # Without a path, nothing stands between the position and the colon.
    return f"{position} {'.'.join(path)}: {text}".replace(" : ", ": ")


def _find_line(lines: Sequence[str], path: tuple[str, ...]) -> int | None:
    """Return the number of the line that assigns the innermost name of `path`, from 1."""
    for name in reversed(path):
        for number, line in enumerate(lines, 1):
            if re.match(rf"\s*{re.escape(name)}\s*=", line):
                return number
    return None
