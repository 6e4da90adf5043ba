"""JSON as it was meant: no key twice, no NaN, no number that is none, no half of a character, nothing nested without end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from math import isfinite
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

MOST_CONTAINERS = 16  # objects and arrays of one body: no endpoint takes more than three, and none can nest deeper than there are
STRING = re.compile(
    r'"(?:[^"\\]|\\.)*+\\?+"?+', re.DOTALL
)  # it always matches: no text makes it try again


def loads(body: bytes) -> Any:
    """The value of a body. Raises JSONDecodeError, whose message quotes nothing.

    >>> loads(b'{"user_id": "7590-VHVEG"}')
    {'user_id': '7590-VHVEG'}
    >>> loads(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    json.decoder.JSONDecodeError: an object has a key twice: line 1 column 1 (char 0)
    """
    try:
        text = body.decode()
        if (
            _containers(text) > MOST_CONTAINERS
            and _containers(STRING.sub("", text)) > MOST_CONTAINERS
        ):
            raise _refused("too many objects and arrays")
        value = DECODER.decode(text)
        if "\\" in text and (
            "\\ud" in text or "\\uD" in text
        ):  # the first look is by far the cheapest
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError:
        raise
    except UnicodeError as exc:
        raise _refused("this is no UTF-8") from exc
    except ValueError as exc:  # an integer of thousands of digits
        raise _refused("a number is out of range") from exc
    return value


def _containers(text: str) -> int:
    return text.count("{") + text.count("[")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _refused("an object has a key twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise _refused("a number is out of range")
    return number


def _constant(_: str) -> Any:
    raise _refused("NaN and Infinity are no JSON")


def _refused(words: str) -> json.JSONDecodeError:
    return json.JSONDecodeError(words, "", 0)


DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_constant)


class StrictRequest(Request):
    """A request whose body is read by `loads`."""

    async def json(self) -> Any:
        """The value of the body, parsed once."""
        if not hasattr(self, "_json"):
            self._json = loads(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route whose requests are strict."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's, on a strict request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict
