"""Pass a request on and observe its answer: its status, and an error that nobody foresaw."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamflow.web.request_context import NOTES, Notes

REQUEST_ID_HEADER = b"x-request-id"


@dataclass(kw_only=True, slots=True)
class ObservedAnswer:
    """What is known of an answer.

    Attributes:
        status: the HTTP status; 0 before the answer begins.
        unforeseen_error: the error that nobody foresaw, if there was one.
    """

    status: int = 0
    unforeseen_error: Exception | None = None


async def observe_answer(
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    notes: Notes,
    answer_unforeseen: ASGIApp,
) -> ObservedAnswer:
    """Pass a request on with its notes, and put its id into the answer.

    Args:
        app: what answers the request.
        scope: the ASGI scope of the request.
        receive: gives the messages of the client.
        send: sends messages to the client.
        notes: the notes on the request.
        answer_unforeseen: what answers instead after an error that nobody foresaw.
    """
    scope[NOTES] = notes
    answer = ObservedAnswer()

    async def send_with_id(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            id_header = (REQUEST_ID_HEADER, notes.request_id.encode())
            message["headers"] = [*message.get("headers", ()), id_header]
        await send(message)

    try:
        await app(scope, receive, send_with_id)
    # The error stays here: the server would log its message, which may quote a value.
    except Exception as error:  # noqa: BLE001
        notes.error = "unforeseen"
        answer.unforeseen_error = error
        if not answer.status:
            await answer_unforeseen(scope, receive, send_with_id)
    return answer
