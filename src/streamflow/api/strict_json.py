"""The routes of the API, and their strict reader of JSON request bodies.

The reader refuses a key that stands twice in an object, NaN and infinite numbers, half of a
character (a lone surrogate), and too many objects, arrays and keys of an object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from math import isfinite
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

# The limit of objects and arrays in one body. Most endpoints take at most three. The number also
# limits how deep they can be nested.
MAX_CONTAINERS = 16

# The limit of keys in one object. No request has more than five, besides parameters of extensions.
# Without it, a body of 1 MB can have a mistake for each of 100,000 keys, and to list them holds up
# all requests.
MAX_KEYS = 64

# A string of JSON. It matches every text that begins with a quotation mark, so the search never
# tries again at the same position.
STRING = re.compile(r'"(?:[^"\\]|\\.)*+\\?+"?+', re.DOTALL)


def loads(body: bytes, max_containers: int = MAX_CONTAINERS) -> Any:
    """Parse a JSON body. Raises JSONDecodeError, whose message quotes nothing of the body.

    Args:
        body: the body as it came
        max_containers: how many objects and arrays the body may have

    >>> loads(b'{"user_id": "7590-VHVEG"}')
    {'user_id': '7590-VHVEG'}
    >>> loads(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    json.decoder.JSONDecodeError: an object has the same key twice: line 1 column 1 (char 0)
    """
    try:
        text = body.decode()
        if _has_too_many_containers(text, max_containers):
            raise _decode_error("too many objects and arrays")
        value = DECODER.decode(text)
        if _may_have_surrogates(text):
            # This fails with a UnicodeError if there is a lone surrogate.
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError:
        raise
    except RecursionError as exc:
        raise _decode_error("objects and arrays are nested too deeply") from exc
    except UnicodeError as exc:
        raise _decode_error("this is not UTF-8") from exc
    # Python refuses to parse an integer of thousands of digits.
    except ValueError as exc:
        raise _decode_error("a number is out of range") from exc
    return value


def _has_too_many_containers(text: str, max_containers: int) -> bool:
    """Return whether a text has too many objects and arrays; brackets in strings do not count."""
    # The first count is much cheaper, and is enough for almost every body.
    if _count_brackets(text) <= max_containers:
        return False
    return _count_brackets(STRING.sub("", text)) > max_containers


def _count_brackets(text: str) -> int:
    return text.count("{") + text.count("[")


def _may_have_surrogates(text: str) -> bool:
    # The search for a backslash stands first, because it is by far the cheapest.
    return "\\" in text and ("\\ud" in text or "\\uD" in text)


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_KEYS:
        raise _decode_error("an object has too many keys")
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _decode_error("an object has the same key twice")
    return members


def _parse_float(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise _decode_error("a number is out of range")
    return number


def _refuse_constant(_: str) -> Any:
    raise _decode_error("NaN and Infinity are not JSON")


def _decode_error(message: str) -> json.JSONDecodeError:
    return json.JSONDecodeError(message, "", 0)


DECODER = json.JSONDecoder(
    object_pairs_hook=_build_object,
    parse_float=_parse_float,
    parse_constant=_refuse_constant,
)


class StrictRequest(Request):
    """A request whose body is read by `loads`.

    Args:
        scope: the ASGI scope of the request
        receive: gives the messages of the client
        max_containers: how many objects and arrays the body may have
    """

    def __init__(self, scope: Scope, receive: Receive, *, max_containers: int) -> None:
        super().__init__(scope, receive)
        self._max_containers = max_containers

    async def json(self) -> Any:
        """Return the value of the body, which is parsed only once."""
        if not hasattr(self, "_json"):
            self._json = loads(await self.body(), self._max_containers)
        return self._json


class StrictRoute(APIRoute):
    """A route whose requests are read strictly. Each route for GET answers HEAD, too."""

    max_containers = MAX_CONTAINERS

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether this route answers the request."""
        match, child_scope = super().matches(scope)
        if match is Match.PARTIAL and self._is_head(scope):
            match = Match.FULL
        return match, child_scope

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request. The server leaves out the body of an answer to HEAD."""
        if self._is_head(scope):
            await self.app(scope, receive, send)
        else:
            await super().handle(scope, receive, send)

    def _is_head(self, scope: Scope) -> bool:
        return scope["method"] == "HEAD" and "GET" in (self.methods or ())

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, applied to a strict request."""
        handler = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handler(
                StrictRequest(
                    request.scope,
                    request.receive,
                    max_containers=self.max_containers,
                )
            )

        return handle_strictly


def list_route(max_items: int) -> type[StrictRoute]:
    """Return the class of a route whose body may have an object or an array for each item."""

    class ListRoute(StrictRoute):
        """A route whose body has a list of objects or of arrays."""

        max_containers = MAX_CONTAINERS + max_items

    return ListRoute
