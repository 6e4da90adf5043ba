"""JSON of which texts are hashed or stored: equal values give equal bytes, in every release."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

# What Python raises when the values of a JSON text do not have the expected form.
MALFORMED_JSON = (KeyError, TypeError, AttributeError, OverflowError)


def canonical_json(
    value: Any,
    *,
    spaced: bool = False,
    default: Callable[[Any], Any] | None = None,
) -> str:
    """Return a value on one line, with sorted keys.

    Args:
        value: the value.
        spaced: write a space after each comma and colon.
        default: returns plain values for an object that JSON does not know.

    >>> print(canonical_json({"b": [1, "é"], "a": None}))
    {"a":null,"b":[1,"é"]}
    >>> print(canonical_json({"b": [1, "é"], "a": None}, spaced=True))
    {"a": null, "b": [1, "é"]}
    """
    separators = (", ", ": ") if spaced else (",", ":")
    return json.dumps(
        value,
        sort_keys=True,
        ensure_ascii=False,
        separators=separators,
        default=default,
    )


def readable_json(value: Any, *, indent: int = 1) -> bytes:
    """Return a value as the content of a file for people, with sorted keys.

    >>> print(readable_json({"b": 1, "a": None}).decode(), end="")
    {
     "a": null,
     "b": 1
    }
    """
    text = json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False)
    return (text + "\n").encode()


def parse_json(content: bytes) -> Any:
    """Read a JSON text. Raises ValueError if it is none, or has too many levels.

    >>> parse_json(b'{"a": [1]}')
    {'a': [1]}
    """
    try:
        return json.loads(content)
    except RecursionError as exc:
        raise ValueError("it has too many levels") from exc
