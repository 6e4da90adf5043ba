"""The path of POST /predict for a well-formed request: from its body to the bytes of its answer.

FastAPI does about as much work for a request as the whole prediction. So this middleware, which is
the innermost one, answers the request itself. A request that is not well formed goes on to FastAPI,
unchanged: FastAPI has the endpoint too, and says what is wrong. Both give the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from json import JSONDecodeError
from typing import Any

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from streamflow.api.error_answers import answer_own_error
from streamflow.api.prediction_entries import prediction_answer
from streamflow.api.schema import INT64, MAX_KEY_LENGTH
from streamflow.api.state import ServingState
from streamflow.api.strict_json import loads
from streamflow.errors import StreamflowError
from streamflow.steps.serving.predict import parse_key
from streamflow.web.body_limit import BODY
from streamflow.web.request_context import NOTES, Notes

PATH = "/predict"
CONTENT_TYPE = (b"content-type", b"application/json")


class DirectPredict:
    """Answers a well-formed POST /predict, and passes every other request on.

    Args:
        app: the application with all endpoints.
        state: has the version and the queue.
        routes: the routes of the application.
    """

    def __init__(self, app: ASGIApp, *, state: ServingState, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._state = state
        self._catalog = state.platform.catalog
        self._key_name = self._catalog.entity.key
        self._route = next(route for route in routes if getattr(route, "path", None) == PATH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        raw_key = self._read_key(scope)
        if raw_key is None:
            await self._app(scope, receive, send)
            return
        # The observer reads the declared path here, as the router would have set it.
        scope["route"] = self._route
        notes: Notes = scope[NOTES]
        try:
            content = await self._predict(raw_key, notes)
        except StreamflowError as error:
            await answer_own_error(notes, error)(scope, receive, send)
            return
        length = (b"content-length", b"%d" % len(content))
        headers = [length, CONTENT_TYPE]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _predict(self, raw_key: str | int, notes: Notes) -> bytes:
        """Return the answer for a key as JSON, once it is in the prediction log.

        Raises:
            StreamflowError: there is no prediction for the key, or none can be made now.
        """
        key = parse_key(self._catalog, raw_key)
        serving, [answer] = await self._state.batcher.answer([key], notes)
        notes.version = serving.version
        if isinstance(answer, StreamflowError):
            raise answer
        return prediction_answer(self._key_name, answer, serving)

    def _read_key(self, scope: Scope) -> str | int | None:
        """Return the key of a well-formed request; None for every other request."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            return None
        body = scope.get(BODY)
        if not body or not _is_json(scope["headers"]):
            return None
        try:
            content = loads(body)
        except JSONDecodeError:
            return None
        if not isinstance(content, dict) or content.keys() != {self._key_name}:
            return None
        key = content[self._key_name]
        return key if self._is_valid(key) else None

    def _is_valid(self, key: Any) -> bool:
        """Whether a value fits the type of keys in a body, as `schema.key_type` declares it."""
        if self._catalog.entity.type == "int":
            return type(key) is int and -INT64 <= key < INT64
        return isinstance(key, str) and 0 < len(key) <= MAX_KEY_LENGTH and "\0" not in key


def _is_json(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the only content type is JSON, in its plainest form."""
    types = [value for name, value in headers if name == b"content-type"]
    return types == [b"application/json"]
