"""The direct way of /predict takes exactly the requests that FastAPI would accept."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from starlette.types import Message, Receive, Scope, Send

from streamflow.api.direct_predict import DirectPredict
from streamflow.api.schema import INT64, MAX_KEY_LENGTH, build_endpoint_models
from streamflow.api.strict_json import loads
from streamflow.catalog import load_catalog
from streamflow.errors import Overloaded
from streamflow.web.body_limit import BODY
from streamflow.web.request_context import NOTES, Notes

ROUTE = SimpleNamespace(path="/predict", path_format="/predict")
JSON = (b"content-type", b"application/json")
TEXT_KEYS = [
    "7590-VHVEG",
    "",
    "a" * MAX_KEY_LENGTH,
    "a" * (MAX_KEY_LENGTH + 1),
    "a\0b",
    "a\nb\n",
    "é",
    17,
    True,
    None,
    ["a"],
    {"a": 1},
]
INT_KEYS = [17, 0, INT64 - 1, INT64, -INT64, -INT64 - 1, 17.0, True, "17", None]


class App:
    """Stands for FastAPI, and for the queue. It notes what comes to each of them."""

    def __init__(self, key_type: str) -> None:
        catalog = load_catalog(None)
        entity = catalog.entity.model_copy(update={"type": key_type})
        self.catalog = catalog.model_copy(update={"entity": entity})
        self.passed_on = 0
        self.keys: list[Any] = []
        state: Any = SimpleNamespace(
            platform=SimpleNamespace(catalog=self.catalog),
            batcher=SimpleNamespace(answer=self._answer),
        )
        routes: Any = [ROUTE]
        self.direct = DirectPredict(self._pass_on, state=state, routes=routes)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        self.passed_on += 1

    async def _answer(self, keys: list[Any], notes: Notes) -> Any:
        del notes
        self.keys += keys
        raise Overloaded("too many")

    def ask(self, body: bytes, **changes: Any) -> tuple[Scope, list[Message]]:
        """Send a request, and return its scope and the messages of the direct answer."""
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/predict",
            "headers": [JSON],
            BODY: body,
            NOTES: Notes(request_id="r"),
            **changes,
        }
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(self.direct(scope, receive, send))
        return scope, sent


def _is_valid(model: type[BaseModel], body: bytes) -> bool:
    try:
        model.model_validate(loads(body))
    except (ValidationError, json.JSONDecodeError):
        return False
    return True


@pytest.mark.parametrize(("key_type", "keys"), [("string", TEXT_KEYS), ("int", INT_KEYS)])
def test_a_body_is_taken_if_the_model_of_the_endpoint_accepts_it(
    key_type: str,
    keys: list[Any],
) -> None:
    app = App(key_type)
    model = build_endpoint_models(app.catalog, 10).ask
    name = app.catalog.entity.key
    bodies = [json.dumps({name: key}).encode() for key in keys]
    key = json.dumps(keys[0])
    bodies += [
        f'{{"{name}": {key}, "more": 1}}'.encode(),
        f'{{"{name}": {key}, "{name}": {key}}}'.encode(),
        f"[{key}]".encode(),
        b"{}",
        b"{",
        b"\xff",
        b'{"user_id": "\\ud800"}',
        b'{"user_id": NaN}',
    ]
    for body in bodies:
        app.passed_on = 0
        app.ask(body)
        assert app.passed_on == int(not _is_valid(model, body)), body


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "PUT"},
        {"path": "/predict/"},
        {"path": "/predict/batch"},
        {"headers": []},
        {"headers": [(b"content-type", b"text/plain")]},
        {"headers": [(b"content-type", b"application/json; charset=utf-8")]},
        {"headers": [JSON, JSON]},
        {BODY: b""},
        {"type": "websocket"},
    ],
)
def test_what_is_not_a_plain_request_is_passed_on(changes: dict[str, Any]) -> None:
    app = App("string")
    app.ask(b'{"user_id": "7590-VHVEG"}', **changes)
    assert (app.passed_on, app.keys) == (1, [])


def test_an_error_is_answered_as_everywhere() -> None:
    app = App("string")
    scope, [start, body] = app.ask(b'{"user_id": "7590-VHVEG"}')
    assert app.keys == ["7590-VHVEG"]
    assert start["status"] == 503
    assert (b"retry-after", b"1") in start["headers"]
    assert json.loads(body["body"])["code"] == scope[NOTES].error == "overloaded"
    assert scope["route"] is ROUTE
