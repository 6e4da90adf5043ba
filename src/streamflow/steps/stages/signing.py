"""Sign a version when it comes into a stage, and require a signature of a version that answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from stat import S_IROTH
from typing import TypeVar

from streamflow.core.versions.version_signature import (
    SignedContent,
    is_signed,
    read_private_key,
    read_public_keys,
    sign_content,
)
from streamflow.errors import ArtifactUntrusted, SettingsInvalid
from streamflow.models.model_version import ModelVersion
from streamflow.platform import Platform
from streamflow.warehouse import ledger
from streamflow.warehouse.version_signatures import add_signature, read_signatures

Key = TypeVar("Key")


def sign_version(platform: Platform, version: ModelVersion) -> None:
    """Sign a version with the key of this installation, if the settings name one.

    Call it before the version comes into a stage, so that who loads it there finds the signature.

    Raises:
        SettingsInvalid: the key cannot be read.
        ArtifactUntrusted: streamflow did not register this version, or the database has a wrong
            signature of it by this key.
    """
    file = platform.settings.signing_key
    if file is None:
        return
    key = _read_key("signing_key", file, read_private_key)
    if file.stat().st_mode & S_IROTH:
        platform.notify(f"every user of this machine can read the key {file}: run chmod 600 {file}")
    content = _make_content(platform, version, _require_passport_digest(platform, version))
    signature = sign_content(key, content)
    add_signature(platform.connection, content, signature)
    # The table is append-only, so a row with this key's id that was there before has stayed.
    if signature not in read_signatures(platform.connection, content):
        raise ArtifactUntrusted(
            f"{_name_version(platform, version)}: the database has a signature of it with the id"
            f" {signature.key_id} of your key, but this key did not make it",
            remedy="Find out who wrote it into streamflow.version_signature, and sign with a new"
            " key: 'streamflow promote' adds the signature of the new key.",
        )


def require_signature_to_answer(platform: Platform, version: ModelVersion) -> None:
    """Require of a version before it comes into Production what is required when it answers.

    Raises:
        SettingsInvalid: the keys cannot be read.
        ArtifactUntrusted: no trusted key signed this version, or streamflow did not register it.
    """
    if platform.settings.trusted_keys is not None:
        require_signature(platform, version, _require_passport_digest(platform, version))


def require_signature(platform: Platform, version: ModelVersion, passport_digest: str) -> None:
    """Require that a trusted key signed a version, if the settings name trusted keys.

    Raises:
        SettingsInvalid: the keys cannot be read.
        ArtifactUntrusted: no trusted key signed this version with this passport.
    """
    file = platform.settings.trusted_keys
    if file is None:
        return
    keys = _read_key("trusted_keys", file, read_public_keys)
    content = _make_content(platform, version, passport_digest)
    if not is_signed(keys, content, read_signatures(platform.connection, content)):
        raise ArtifactUntrusted(
            f"{_name_version(platform, version)}: no key of {file} signed it",
            remedy=f"If you trust it, run 'streamflow promote {version.version}' where the setting"
            " signing_key names one of these keys: this signs it. If the gate refuses it, add"
            " --force --why TEXT.",
        )


def _name_version(platform: Platform, version: ModelVersion) -> str:
    return f"version {version.version} of {platform.catalog.model}"


def _require_passport_digest(platform: Platform, version: ModelVersion) -> str:
    """Return the registered digest of a version. Raises ArtifactUntrusted if there is none."""
    digest = ledger.passport_digest(
        platform.connection,
        version.run_id,
        model=platform.catalog.model,
        version=version.version,
    )
    if digest is None:
        name = _name_version(platform, version)
        raise ArtifactUntrusted(f"{name}: this database has no passport that could be signed")
    return digest


def _make_content(platform: Platform, version: ModelVersion, digest: str) -> SignedContent:
    return SignedContent(
        model=platform.catalog.model,
        version=version.version,
        run_id=version.run_id,
        passport_digest=digest,
    )


def _read_key(setting: str, file: Path, parse_key: Callable[[bytes], Key]) -> Key:
    """Read the file of a setting. Raises SettingsInvalid when it is no such key."""
    try:
        return parse_key(file.read_bytes())
    except OSError as exc:
        raise SettingsInvalid(f"setting '{setting}': {file}: {exc.strerror}") from exc
    except ValueError as exc:
        raise SettingsInvalid(f"setting '{setting}': {file}: {exc}") from exc
