"""Signatures of versions: what they cover, and which keys and files are accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.signing_keys import private_pem, public_pem

from streamflow.core.versions.version_signature import (
    SignedContent,
    VersionSignature,
    is_signed,
    make_key_id,
    read_private_key,
    read_public_keys,
    sign_content,
)

CONTENT = SignedContent(model="churn", version=3, run_id="r1", passport_digest="a" * 64)
KEY, OTHER_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
CURVE_KEY = generate_private_key(SECP256R1())
# Keys whose kind has the unknown number 1.2.3.4, as a key of a future kind has for this library.
UNKNOWN_PRIVATE = b"""-----BEGIN PRIVATE KEY-----
MCwCAQAwBQYDKgMEBCB4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eA==
-----END PRIVATE KEY-----
"""
UNKNOWN_PUBLIC = b"""-----BEGIN PUBLIC KEY-----
MCowBQYDKgMEAyEAeHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=
-----END PUBLIC KEY-----
"""


@pytest.mark.parametrize(
    "change", [{"model": "x"}, {"version": 4}, {"run_id": "r2"}, {"passport_digest": "b" * 64}]
)
def test_a_signature_holds_for_one_version_and_passport(change: dict[str, object]) -> None:
    signature = sign_content(KEY, CONTENT)
    keys = read_public_keys(public_pem(OTHER_KEY) + public_pem(KEY))
    assert is_signed(keys, CONTENT, [signature])
    assert not is_signed(keys, replace(CONTENT, **change), [signature])


def test_no_different_key_and_no_different_text_is_a_signature() -> None:
    signature = sign_content(KEY, CONTENT)
    keys = read_public_keys(public_pem(KEY))
    assert not is_signed(keys, CONTENT, [])
    assert not is_signed(read_public_keys(public_pem(OTHER_KEY)), CONTENT, [signature])
    # The id of a trusted key beside a signature by a different one.
    forged = replace(sign_content(OTHER_KEY, CONTENT), key_id=make_key_id(KEY.public_key()))
    for bad in (forged, VersionSignature(key_id=signature.key_id, signature="é")):
        assert not is_signed(keys, CONTENT, [bad])
        assert is_signed(keys, CONTENT, [bad, signature])


def test_a_file_that_holds_no_such_key_is_refused() -> None:
    assert read_private_key(private_pem(KEY)).private_bytes_raw() == KEY.private_bytes_raw()
    for pem in (b"", b"text", public_pem(KEY), private_pem(KEY, password=b"secret")):
        with pytest.raises(ValueError, match="not a private key"):
            read_private_key(pem)
    with pytest.raises(ValueError, match="not of the kind Ed25519"):
        read_private_key(private_pem(CURVE_KEY))
    with pytest.raises(ValueError, match="not of the kind Ed25519"):
        read_private_key(UNKNOWN_PRIVATE)
    with pytest.raises(ValueError, match="no public key"):
        read_public_keys(b"text")
    with pytest.raises(ValueError, match="something else"):
        read_public_keys(public_pem(KEY) + private_pem(OTHER_KEY))
    with pytest.raises(ValueError, match="not of the kind Ed25519"):
        read_public_keys(public_pem(CURVE_KEY))
    with pytest.raises(ValueError, match="one of its keys is not of the kind Ed25519"):
        read_public_keys(public_pem(KEY) + UNKNOWN_PUBLIC)
