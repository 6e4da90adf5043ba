"""The notes on one request, from which its log line, its metrics and its trace are made."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request

NOTES = "streamflow.notes"  # the key of the notes in the ASGI scope


@dataclass(kw_only=True, slots=True)
class Notes:
    """What the API learns about a request while it answers it.

    It never holds a value that the client sent, except a well-formed request id.

    Attributes:
        error: the code of the error that the request is answered with
        version: the model version that answered
        phases: the phases that a prediction went through, each with the instant it began
        caller: the id (not the secret) of the API key that the request came with
        is_anonymous: whether the request came without a key although the API requires keys
    """

    request_id: str
    error: str | None = None
    version: int | None = None
    phases: list[tuple[str, float]] = field(default_factory=list)
    caller: str | None = None
    is_anonymous: bool = False


def notes_of(request: Request) -> Notes:
    """Return the notes of the request that is being answered."""
    notes = request.scope[NOTES]
    assert isinstance(notes, Notes)
    return notes
