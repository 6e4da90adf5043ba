"""Files of the Open Data Contract Standard: YAML that the JSON schema of the standard checks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from streamflow.errors import CatalogInvalid
from streamflow.files.text_files import write_text

MAX_BYTES = 10_000_000
SHOWN_MISTAKES = 20
MAX_MESSAGE = 300  # characters of a mistake: it may quote a value of any length
# Without this, YAML makes a date of a text such as 2024-01-31, which the schema refuses.
TIMESTAMP_TAG = "tag:yaml.org,2002:timestamp"
REMEDY = "Correct the contract and run the command again."
# What PyYAML raises for a value that is not of its type, such as a number of 5,000 digits.
VALUE_ERRORS = (ValueError, LookupError, TypeError, AttributeError)


# mypy cannot check the base class, because PyYAML is untyped to us.
class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
    """A loader of texts, numbers, bools, lists and mappings, without references.

    With references, a small file can stand for more values than the memory holds.
    """

    yaml_implicit_resolvers: Mapping[str, Any] = {
        first_letter: [rule for rule in rules if rule[0] != TIMESTAMP_TAG]
        for first_letter, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse a reference, and read everything else."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.YAMLError(f"line {mark.line + 1}: references (*name) are not read")
        return super().compose_node(parent, index)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Read a value. Name the line of one that is not of its type."""
        try:
            return super().construct_object(node, deep=deep)
        except VALUE_ERRORS as exc:
            line = node.start_mark.line + 1
            type_name = node.tag.rpartition(":")[2]
            raise yaml.YAMLError(f"line {line}: it has no {type_name} that can be read") from exc

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuse a name that is no text or comes twice: the former value would be lost."""
        names = set()
        for name_node, _ in node.value:
            name = self.construct_object(name_node, deep=True)
            position = f"line {name_node.start_mark.line + 1}"
            if not isinstance(name, str):
                raise yaml.YAMLError(f"{position}: a name must be a text, got {name!r}")
            if name in names:
                raise yaml.YAMLError(f"{position}: the name {name!r} comes twice")
            names.add(name)
        values: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return values


def read_contract(path: Path) -> dict[str, Any]:
    """Read a contract and check it by the JSON schema of the standard.

    Raises:
        CatalogInvalid: the file cannot be read, is no YAML, or is no such contract.
    """
    try:
        # A pipe or a device does not tell its size.
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise CatalogInvalid(f"{path}: it is larger than {MAX_BYTES:,} bytes", remedy=REMEDY)
        # The loader makes only plain values.
        contract = yaml.load(content.decode("utf-8"), Loader=_PlainLoader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as exc:
        raise CatalogInvalid(f"{path}: it cannot be read: {exc}", remedy=REMEDY) from exc
    mistakes = find_mistakes(contract)
    if mistakes:
        lines = [f"{path}: {mistake}" for mistake in mistakes]
        raise CatalogInvalid("\n".join(lines), violations=lines, remedy=REMEDY)
    checked: dict[str, Any] = contract
    return checked


def find_mistakes(contract: Any) -> list[str]:
    """Return where a contract breaks the JSON schema of the standard; empty if it does not."""
    mistakes = sorted(_validator().iter_errors(contract), key=lambda error: list(error.path))
    return [_describe_mistake(error) for error in mistakes[:SHOWN_MISTAKES]]


def write_contract(contract: Mapping[str, Any], path: Path, *, replace: bool) -> None:
    """Write a contract as YAML. Raises StreamflowError if the file exists or cannot be written."""
    text = yaml.safe_dump(dict(contract), sort_keys=False, allow_unicode=True, width=100)
    write_text(path, text, replace=replace)


@cache
def _validator() -> Any:
    """Return the checks of the standard, which its own package brings as a JSON schema."""
    from jsonschema.validators import validator_for

    text = files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8")
    schema = json.loads(text)
    return validator_for(schema)(schema)


def _describe_mistake(error: Any) -> str:
    position = ".".join(_names(error))
    message = str(error.message)
    if len(message) > MAX_MESSAGE:
        message = f"{message[:MAX_MESSAGE]}…"
    return f"{position or 'the contract'}: {message}"


def _names(error: Any) -> Iterator[str]:
    """Yield the path of a mistake; an entry of a list is counted from 1."""
    for step in error.absolute_path:
        yield str(step + 1) if isinstance(step, int) else step
