"""Sign a version with an Ed25519 key, and verify the signature.

What is signed names the version and the digest of its passport. The passport has the digest of
each file of the version, so the signature covers all of them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from streamflow.core.data.json_text import canonical_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

CONTENT_FORM = "streamflow version 1"
PEM_BLOCK = re.compile(rb"-----BEGIN [^-]+-----.+?-----END [^-]+-----", re.DOTALL)
KEY_ID_LENGTH = 16


@dataclass(frozen=True, kw_only=True)
class SignedContent:
    """What a signature is about."""

    model: str
    version: int
    run_id: str
    passport_digest: str

    @property
    def content(self) -> bytes:
        """Return the bytes that are signed."""
        return canonical_json({"form": CONTENT_FORM, **vars(self)}).encode()


@dataclass(frozen=True, kw_only=True)
class VersionSignature:
    """A signature in base64, and the id of the key that made it."""

    key_id: str
    signature: str


def read_private_key(pem: bytes) -> Ed25519PrivateKey:
    """Return the key of a PEM file without a password. Raises ValueError for anything else."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except UnsupportedAlgorithm as exc:
        raise ValueError("its key is not of the kind Ed25519") from exc
    except (TypeError, ValueError) as exc:
        raise ValueError("it is not a private key in PEM without a password") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("its key is not of the kind Ed25519")  # noqa: TRY004
    return key


def read_public_keys(pem: bytes) -> list[Ed25519PublicKey]:
    """Return each public key of a PEM file. Raises ValueError unless there is at least one."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    keys = []
    for block in PEM_BLOCK.findall(pem):
        try:
            key = load_pem_public_key(block)
        except UnsupportedAlgorithm as exc:
            raise ValueError("one of its keys is not of the kind Ed25519") from exc
        except ValueError as exc:
            raise ValueError("it holds something else than public keys in PEM") from exc
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("one of its keys is not of the kind Ed25519")  # noqa: TRY004
        keys.append(key)
    if not keys:
        raise ValueError("it holds no public key in PEM")
    return keys


def make_key_id(key: Ed25519PublicKey) -> str:
    """Return the id of a key: the beginning of the sha256 of its 32 bytes."""
    return sha256(key.public_bytes_raw()).hexdigest()[:KEY_ID_LENGTH]


def sign_content(key: Ed25519PrivateKey, content: SignedContent) -> VersionSignature:
    """Sign a version."""
    signature = base64.b64encode(key.sign(content.content)).decode()
    return VersionSignature(key_id=make_key_id(key.public_key()), signature=signature)


def is_signed(
    keys: Iterable[Ed25519PublicKey],
    content: SignedContent,
    signatures: Iterable[VersionSignature],
) -> bool:
    """Return whether one of the keys made one of the signatures of this content."""
    from cryptography.exceptions import InvalidSignature

    keys_by_id = {make_key_id(key): key for key in keys}
    for signature in signatures:
        key = keys_by_id.get(signature.key_id)
        if key is None:
            continue
        try:
            key.verify(base64.b64decode(signature.signature), content.content)
        except (InvalidSignature, ValueError):
            continue
        return True
    return False
