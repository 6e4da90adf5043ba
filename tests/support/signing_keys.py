"""Keys that sign versions, as PEM."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


def private_pem(key: Any, password: bytes | None = None) -> bytes:
    """Return a private key, as `openssl genpkey` writes it."""
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    return pem


def public_pem(key: Any) -> bytes:
    """Return the public key of a private one, as `openssl pkey -pubout` writes it."""
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem
