"""MLflow's server with the locations of artifacts replaced: requests that do not end."""

from __future__ import annotations

import asyncio

from streamflow.models.proxied_artifacts import Message, ProxiedArtifacts, Receive, Send

PATH = "/api/2.0/mlflow/runs/search"


def count_requests(messages: list[Message]) -> int:
    """Return how many requests reach MLflow when a client sends these messages."""
    requests = []

    async def application(scope: Message, _receive: Receive, _send: Send) -> None:
        requests.append(scope)

    async def receive() -> Message:
        return messages.pop(0)

    async def send(_message: Message) -> None:
        return None

    scope = {"type": "http", "path": PATH, "headers": []}
    asyncio.run(ProxiedArtifacts(application, "/s/art")(scope, receive, send))
    return len(requests)


def test_a_request_that_the_client_breaks_off_never_reaches_mlflow() -> None:
    piece = {"type": "http.request", "body": b"{}", "more_body": True}
    assert count_requests([piece, {"type": "http.disconnect"}]) == 0
    assert count_requests([piece, {"type": "http.request", "body": b"", "more_body": False}]) == 1
