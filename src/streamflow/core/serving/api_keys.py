"""The keys of the API: `sk_`, a public id, and a secret of 256 random bits.

Of a secret only its SHA-256 is stored. A slow hash would make each guess at a password expensive.
Nobody can guess 256 random bits at any price, and every request would pay for the slow hash.
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
# In rising order: a scope allows everything that the scopes before it allow.
SCOPES: tuple[Scope, ...] = get_args(Scope)
ID_BYTES = 6
SECRET_BYTES = 32
# For how many days a key is in force at most, if it has an end: a hundred years.
MAX_DAYS = 36_500
KEY_PATTERN = re.compile(rb"sk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """One key of the API, as it is stored."""

    id: str
    name: str
    scope: Scope
    digest: bytes
    created: datetime
    expires: datetime | None
    revoked: datetime | None

    def state(self, now: datetime) -> Literal["in force", "expired", "revoked"]:
        """Return the state of the key at the instant `now`."""
        if self.revoked is not None:
            return "revoked"
        if self.expires is not None and now >= self.expires:
            return "expired"
        return "in force"

    def matches_secret(self, secret: bytes) -> bool:
        """Decide whether this is the secret of the key.

        The time that this takes reveals nothing about the secret.
        """
        return compare_digest(self.digest, sha256(secret).digest())


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key that was just made. Its text is shown once and never stored."""

    text: str
    id: str
    digest: bytes


def make_key(
    make_secret: Callable[[int], str] = token_urlsafe,
    make_id: Callable[[int], str] = token_hex,
) -> NewKey:
    """Make a new key from random bytes.

    Args:
        make_secret: Makes a text from a number of random bytes.
        make_id: Makes a hexadecimal text from a number of random bytes.

    >>> make_key(lambda n: "s" * 43, lambda n: "0123456789ab").text
    'sk_0123456789ab_sssssssssssssssssssssssssssssssssssssssssss'
    """
    key_id = make_id(ID_BYTES)
    secret = make_secret(SECRET_BYTES)
    digest = sha256(secret.encode()).digest()
    return NewKey(text=f"sk_{key_id}_{secret}", id=key_id, digest=digest)


def parse_key(text: bytes) -> tuple[str, bytes] | None:
    """Return the id and the secret of a key that a client sent.

    Returns:
        None when the text does not have the form of a key.

    >>> parse_key(b"sk_0123456789ab_" + b"s" * 43)[0]
    '0123456789ab'
    >>> parse_key(b"Basic c2s=") is None
    True
    """
    match = KEY_PATTERN.fullmatch(text)
    return None if match is None else (match[1].decode(), match[2])


def scope_covers(granted: Scope, required: Scope) -> bool:
    """Decide whether a granted scope allows what a required scope allows.

    >>> scope_covers("predict", "read"), scope_covers("metrics", "read")
    (True, False)
    """
    return SCOPES.index(granted) >= SCOPES.index(required)
