"""Who is logged in: sessions in the memory of the console, and the tokens of forms.

A session ends when its time is over, when its API key is revoked, or when the console stops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest, digest
from secrets import token_bytes, token_urlsafe
from threading import Lock

from streamflow.core.serving.api_keys import ApiKey, Scope, scope_covers

COOKIE = "streamflow_console"
COOKIE_BYTES = 32
MAX_SESSIONS = 10_000


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who asks for a page.

    cookie   the random text of the browser, from which the tokens of its forms are made
    key_id   the API key that the person logged in with; None where no key is required
    name     the name of that key
    scope    None: the person is not logged in
    """

    cookie: str
    key_id: str | None = None
    name: str = ""
    scope: Scope | None = None

    def may(self, required: Scope) -> bool:
        """Return whether the visitor may do what a scope allows."""
        return self.scope is not None and scope_covers(self.scope, required)


@dataclass(frozen=True, kw_only=True)
class Session:
    """One log-in of a person."""

    key_id: str
    ends_at: datetime


class Sessions:
    """The log-ins of this process. The secret of the tokens is made anew at each start."""

    def __init__(self, *, hours: float) -> None:
        self._secret = token_bytes(32)
        self._length = timedelta(hours=hours)
        self._sessions: dict[str, Session] = {}
        self._lock = Lock()

    @property
    def max_age_s(self) -> int:
        """Return how long a browser keeps the cookie, in seconds."""
        return int(self._length.total_seconds())

    def start(self, key: ApiKey, now: datetime) -> str:
        """Begin a session for the owner of a key; return the new text of the cookie."""
        cookie = make_cookie()
        with self._lock:
            self._forget_ended(now)
            self._sessions[cookie] = Session(key_id=key.id, ends_at=now + self._length)
        return cookie

    def end(self, cookie: str) -> None:
        """End the session of a browser, if it has one."""
        with self._lock:
            self._sessions.pop(cookie, None)

    def find_visitor(
        self,
        cookie: str,
        now: datetime,
        find_key: Callable[[str], ApiKey | None],
    ) -> Visitor:
        """Return who uses the browser with this cookie.

        Args:
            find_key: returns the key with an id if it is in force
        """
        session = self._sessions.get(cookie)
        if session is None or now >= session.ends_at:
            return Visitor(cookie=cookie)
        return make_visitor(cookie, find_key(session.key_id))

    def form_token(self, cookie: str) -> str:
        """Return the token that every form of this browser must send."""
        return digest(self._secret, cookie.encode(), sha256).hex()

    def is_form_token(self, cookie: str, token: str) -> bool:
        """Decide whether a form comes from a page that this console gave to this browser."""
        return compare_digest(self.form_token(cookie).encode(), token.encode())

    def _forget_ended(self, now: datetime) -> None:
        """Drop the sessions that ended, and the oldest ones if there are too many."""
        self._sessions = {
            cookie: session for cookie, session in self._sessions.items() if now < session.ends_at
        }
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]


def make_visitor(cookie: str, key: ApiKey | None) -> Visitor:
    """Return the owner of a key, or somebody who is not logged in for None."""
    if key is None:
        return Visitor(cookie=cookie)
    return Visitor(cookie=cookie, key_id=key.id, name=key.name, scope=key.scope)


def make_cookie() -> str:
    """Return a new random text for a browser."""
    return token_urlsafe(COOKIE_BYTES)
