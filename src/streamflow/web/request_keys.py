"""The API key that a request brings in its headers."""

from __future__ import annotations

from starlette.types import Scope

BEARER = b"bearer "

# Stands for several keys in one request: no key has this text, so such a request is refused.
AMBIGUOUS_KEY = b"?"


def read_key(scope: Scope) -> bytes:
    """Read the key of a request from its headers; empty if there is none.

    Only the headers are read. A request that names several keys has no valid one.
    """
    keys = []
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            keys.append(value)
        elif name == b"authorization" and value[: len(BEARER)].lower() == BEARER:
            keys.append(value[len(BEARER) :].strip())
    if not keys:
        return b""
    return keys[0] if len(keys) == 1 else AMBIGUOUS_KEY
