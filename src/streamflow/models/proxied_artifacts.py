"""MLflow's server, which also hands out the files of runs and models to clients elsewhere.

MLflow's tables name the folder of the artifacts on this machine, because our own services work on
these tables and files without a server. A client on a different machine cannot open that folder.
So this application replaces its address: in the server's answers by `mlflow-artifacts:`, at which
clients ask the server itself for the files, and in requests the other way round. The tables stay as
they are, and so it works for old runs too.

`mlflow server --app-name streamflow` starts it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from streamflow.models.artifact_locations import PROXIED

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# The paths at which MLflow answers with JSON that can hold locations.
API_PATHS = ("/api/", "/ajax-api/", "/graphql")
# Below these paths are the files themselves, which nobody changes.
FILE_PATHS = ("/mlflow-artifacts/", "/get-artifact", "/upload-artifact")
JSON = b"application/json"


def create_app() -> Application:
    """Return the application. `mlflow server` says in its variables where the artifacts are."""
    from mlflow.server import ARTIFACTS_DESTINATION_ENV_VAR
    from mlflow.server.fastapi_app import app

    destination = os.environ[ARTIFACTS_DESTINATION_ENV_VAR]
    return ProxiedArtifacts(app, destination)


class ProxiedArtifacts:
    """An ASGI application that replaces locations of artifacts in MLflow's requests and answers.

    >>> ProxiedArtifacts(None, "/srv/artifacts").hide(b'{"uri": "file:///srv/artifacts/1/a"}')
    b'{"uri": "mlflow-artifacts:/1/a"}'
    >>> ProxiedArtifacts(None, "/srv/artifacts").reveal(b'{"uri": "mlflow-artifacts:/1/a"}')
    b'{"uri": "file:///srv/artifacts/1/a"}'
    """

    def __init__(self, application: Application, destination: str) -> None:
        """Wrap MLflow's application.

        Args:
            application: MLflow's own application.
            destination: the address of the artifacts that the server hands out.
        """
        self._application = application
        root = Path(destination).as_uri() if destination.startswith("/") else destination
        self._root = root.rstrip("/").encode()
        # A location is a whole JSON text: it begins behind a quote that is no part of a text.
        self._own = re.compile(rb'(?<!\\)"' + re.escape(self._root) + rb'(?=[/"])')
        self._proxied = re.compile(rb'(?<!\\)"' + re.escape(PROXIED.encode()) + rb"(?=/(?!/))")

    def hide(self, text: bytes) -> bytes:
        """Return JSON in which each location names the server in place of our folder."""
        return self._own.sub(lambda _: b'"' + PROXIED.encode(), text)

    def reveal(self, text: bytes) -> bytes:
        """Return JSON in which each location names our folder in place of the server."""
        return self._proxied.sub(lambda _: b'"' + self._root, text)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or not _has_locations(scope["path"]):
            await self._application(scope, receive, send)
            return
        sent_body = await _read_body(receive)
        if sent_body is None:
            return
        body = self.reveal(sent_body)
        headers = _with_length(scope["headers"], body) if body else scope["headers"]
        answer = _HeldAnswer(send, self.hide)
        await self._application({**scope, "headers": headers}, _replay(body, receive), answer.send)


class _HeldAnswer:
    """An answer that is held back until it is complete, if it is JSON, and then changed."""

    def __init__(self, send: Send, change: Callable[[bytes], bytes]) -> None:
        self._send = send
        self._change = change
        self._start: Message | None = None  # of an answer that is held back
        self._chunks: list[bytes] = []

    async def send(self, message: Message) -> None:
        """Pass a message of the answer on, or hold it back."""
        if message["type"] == "http.response.start" and _is_json(message):
            self._start = message
            return
        if self._start is None:
            await self._send(message)
            return
        self._chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            body = self._change(b"".join(self._chunks))
            headers = _with_length(self._start["headers"], body)
            await self._send({**self._start, "headers": headers})
            await self._send({"type": "http.response.body", "body": body})


def _has_locations(path: str) -> bool:
    """Return whether requests and answers of a path can hold locations of artifacts."""
    return path.startswith(API_PATHS) and not any(file_path in path for file_path in FILE_PATHS)


def _is_json(start: Message) -> bool:
    """Return whether the body of an answer is JSON that is not compressed."""
    headers = {name.lower(): value for name, value in start["headers"]}
    return headers.get(b"content-type", b"").startswith(JSON) and b"content-encoding" not in headers


def _with_length(headers: list[tuple[bytes, bytes]], body: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers with the length of a changed body."""
    kept_headers = [pair for pair in headers if pair[0].lower() != b"content-length"]
    return [*kept_headers, (b"content-length", str(len(body)).encode())]


async def _read_body(receive: Receive) -> bytes | None:
    """Read the whole body of a request; None: the client went away before its end."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a source of messages with this body; then those that the client still sends."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message
