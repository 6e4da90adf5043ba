"""Nobody passes without a key that is enough, but for the paths that are open. ASGI middleware: no task, no thread, no database."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from streamflow.api.active_keys import KeyRing
from streamflow.api.endpoint_scopes import OPEN, scope_of
from streamflow.api.refusals import refuse
from streamflow.api.request_context import NOTES
from streamflow.core.serving.api_keys import covers

BEARER = b"bearer "
HINT = "send a key of 'streamflow keys create' as 'Authorization: Bearer sk_…' or X-API-Key; one in the URL is not read"


class Guard:
    """Refuses by default: 401 without a key in force, 404 for a path without a scope, 403 where the key's is not enough."""

    def __init__(self, app: ASGIApp, *, keys: KeyRing) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, given = scope["path"], _given(scope)
        key = self._keys.find(given) if given and self._keys.is_trusted else None
        if key is not None:
            scope[NOTES].caller = key.id
        if path in OPEN:
            scope[NOTES].is_anonymous = key is None
            await self._app(scope, receive, send)
        elif not self._keys.is_trusted:
            words = "the keys could not be read for too long: nobody can be let in"
            await refuse(scope, receive, send, 503, words, headers={"Retry-After": "5"})
        elif key is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"' if given else "Bearer"}
            words = "this key is not in force" if given else "a key is needed"
            await refuse(scope, receive, send, 401, f"{words}: {HINT}", headers=challenge)
        elif (needed := scope_of(path)) is None:
            await refuse(scope, receive, send, 404, "Not Found")
        elif not covers(key.scope, needed):
            challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'}
            await refuse(
                scope,
                receive,
                send,
                403,
                f"this asks for a key of scope {needed}, not {key.scope}",
                headers=challenge,
            )
        else:
            await self._app(scope, receive, send)


def _given(scope: Scope) -> bytes:
    """The key that a request came with, of its headers alone; what came twice is not one."""
    found = [value[len(BEARER) :].strip() if name == b"authorization" else value
             for name, value in scope["headers"]
             if name == b"x-api-key" or (name == b"authorization" and value[: len(BEARER)].lower() == BEARER)]  # fmt: skip
    return found[0] if len(found) == 1 else b"?" if found else b""
