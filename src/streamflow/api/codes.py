"""The codes of errors that only HTTP knows: those of all others are the names of their classes in errors.py."""

from __future__ import annotations

BEFORE = {  # status -> code of what is refused before an endpoint has seen it
    400: "wrong_host",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    408: "body_incomplete",
    413: "body_too_large",
    503: "keys_unknown",
}
OF_HTTP = (*BEFORE.values(), "malformed_request", "method_not_allowed", "unforeseen")
