"""ASGI middleware that lets a request pass only with a sufficient API key.

A few paths are open to everybody. The middleware starts no task and no thread, and it does not
ask the database.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from streamflow.api.endpoint_scopes import OPEN_PATHS, required_scope
from streamflow.core.serving.api_keys import ApiKey, scope_covers
from streamflow.core.serving.api_keys import Scope as KeyScope
from streamflow.web.active_keys import KeyRing
from streamflow.web.refusals import refuse
from streamflow.web.request_context import NOTES
from streamflow.web.request_keys import read_key

HINT = (
    "send a key made with 'streamflow keys create' as 'Authorization: Bearer sk_…' or X-API-Key;"
    " a key in the URL is not read"
)


class KeyGuard:
    """Refuses every request that has no sufficient key.

    It answers 401 without a key in force, 404 for a path without a scope, 403 if the scope of the
    key is not enough, and 503 if the keys could not be read for too long.
    """

    def __init__(self, app: ASGIApp, *, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        key_text = read_key(scope)
        key = self._find_key(key_text)
        if key is not None:
            scope[NOTES].caller = key.id
        path = scope["path"]
        if path in OPEN_PATHS:
            scope[NOTES].is_anonymous = key is None
            await self._app(scope, receive, send)
        elif not self._keys.is_trusted:
            message = "the API keys could not be read for too long, so no key can be accepted"
            await refuse(scope, receive, send, 503, message, headers={"Retry-After": "5"})
        elif key is None:
            await _refuse_unknown_key(scope, receive, send, has_key=bool(key_text))
        elif (required := required_scope(path)) is None:
            await refuse(scope, receive, send, 404, "Not Found")
        elif not scope_covers(key.scope, required):
            await _refuse_small_scope(scope, receive, send, key, required)
        else:
            await self._app(scope, receive, send)

    def _find_key(self, key_text: bytes) -> ApiKey | None:
        if not key_text or not self._keys.is_trusted:
            return None
        return self._keys.find(key_text)


async def _refuse_unknown_key(scope: Scope, receive: Receive, send: Send, *, has_key: bool) -> None:
    if has_key:
        challenge = 'Bearer error="invalid_token"'
        message = f"this key is not in force: {HINT}"
    else:
        challenge = "Bearer"
        message = f"a key is needed: {HINT}"
    headers = {"WWW-Authenticate": challenge}
    await refuse(scope, receive, send, 401, message, headers=headers)


async def _refuse_small_scope(
    scope: Scope,
    receive: Receive,
    send: Send,
    key: ApiKey,
    required: KeyScope,
) -> None:
    headers = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{required}"'}
    message = f"this needs a key of scope {required}; the scope of this key is {key.scope}"
    await refuse(scope, receive, send, 403, message, headers=headers)
