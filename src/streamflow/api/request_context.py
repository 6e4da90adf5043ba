"""What is learned about a request while it is answered, for its line in the log, its numbers and its trace."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request

NOTES = "streamflow.notes"  # of the ASGI scope


@dataclass(kw_only=True, slots=True)
class Notes:
    """What is learned about a request while it is answered: never a value of the client, but for its well-formed id."""

    request_id: str
    error: str | None = None  # the code of the error that it is answered with
    version: int | None = None
    phases: list[tuple[str, float]] = field(
        default_factory=list
    )  # that a prediction went through, and when each began
    caller: str | None = None  # the id of the key of the API that it came with, which may be known
    is_anonymous: bool = False  # it came without one, where keys are asked for


def notes_of(request: Request) -> Notes:
    """The notes of the request that is being answered."""
    notes = request.scope[NOTES]
    assert isinstance(notes, Notes)
    return notes
