"""Keys of the API: `sk_`, an id that may be known, and a secret of 256 random bits. Of a secret only its SHA-256 is kept.

A slow hash makes each guess at a password dear. Nobody guesses 256 random bits, at any price, and every request would pay.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from secrets import token_hex, token_urlsafe
from typing import Literal, get_args

Scope = Literal["metrics", "read", "predict", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)  # each may do what those before it may
ID_BYTES, SECRET_BYTES = 6, 32
FORM = re.compile(rb"sk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """One key, as it is kept."""

    id: str
    name: str
    scope: Scope
    digest: bytes
    created: datetime
    expires: datetime | None
    revoked: datetime | None

    def state(self, now: datetime) -> Literal["in force", "expired", "revoked"]:
        """What it is worth at an instant."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and now >= self.expires else "in force"

    def is_opened_by(self, secret: bytes) -> bool:
        """Whether this is its secret, in a time that tells nothing about it."""
        return compare_digest(self.digest, sha256(secret).digest())


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key that was just made: its text is seen now or never."""

    text: str
    id: str
    digest: bytes


def make_key(
    words: Callable[[int], str] = token_urlsafe, ids: Callable[[int], str] = token_hex
) -> NewKey:
    """A new key.

    >>> make_key(lambda n: "s" * 43, lambda n: "0123456789ab").text
    'sk_0123456789ab_sssssssssssssssssssssssssssssssssssssssssss'
    """
    identity, secret = ids(ID_BYTES), words(SECRET_BYTES)
    return NewKey(
        text=f"sk_{identity}_{secret}", id=identity, digest=sha256(secret.encode()).digest()
    )


def parse_key(text: bytes) -> tuple[str, bytes] | None:
    """Id and secret of what a client sent; None for what is no key.

    >>> parse_key(b"sk_0123456789ab_" + b"s" * 43)[0]
    '0123456789ab'
    >>> parse_key(b"Basic c2s=") is None
    True
    """
    found = FORM.fullmatch(text)
    return None if found is None else (found[1].decode(), found[2])


def covers(held: Scope, needed: Scope) -> bool:
    """Whether a scope is enough.

    >>> covers("predict", "read"), covers("metrics", "read")
    (True, False)
    """
    return SCOPES.index(held) >= SCOPES.index(needed)
