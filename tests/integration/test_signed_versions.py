"""A version is signed at its promotion; where keys are trusted, only a signed one answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.signing_keys import private_pem, public_pem
from support.states import JANUARY_TRAINED

from streamflow.core.versions.version_signature import make_key_id, read_private_key
from streamflow.database import connect
from streamflow.errors import ArtifactUntrusted, SettingsInvalid
from streamflow.platform import Platform
from streamflow.steps.promotion.promote import promote
from streamflow.steps.stages.transitions import version_number_in_stage
from streamflow.steps.versions.registered_version import load_answering
from streamflow.warehouse import ledger
from streamflow.warehouse.roles import API, CONSOLE

Opened = Callable[..., Platform]


def write_keys(folder: Path) -> dict[str, Path]:
    """Write a new pair of keys, and return the settings that name it."""
    folder.mkdir()
    key = Ed25519PrivateKey.generate()
    files = {"signing_key": folder / "key.pem", "trusted_keys": folder / "public.pem"}
    files["signing_key"].write_bytes(private_pem(key))
    files["trusted_keys"].write_bytes(public_pem(key))
    return files


@pytest.mark.state(JANUARY_TRAINED)
def test_only_a_version_that_a_trusted_key_signed_answers(
    open_with: Opened, tmp_path: Path
) -> None:
    ours, theirs = write_keys(tmp_path / "ours"), write_keys(tmp_path / "theirs")
    with pytest.raises(SettingsInvalid, match="setting 'signing_key': .*: it is not a private"):
        promote(open_with(signing_key=ours["trusted_keys"]), 1, to="staging")
    platform = open_with(**ours)
    assert version_number_in_stage(platform, "Staging") is None
    assert not ledger.entries(platform.connection)

    promote(open_with(), 1, to="staging")  # by somebody without a key
    version = platform.models.version(1)
    with pytest.raises(ArtifactUntrusted, match=r"no key of .*public\.pem signed it") as refused:
        load_answering(platform, version)
    assert "streamflow promote 1" in refused.value.remedy
    # The version is in the stage already: to promote it again changes nothing but signs it.
    assert promote(platform, 1, to="staging").decision == "no change"
    assert promote(platform, 1, to="staging").decision == "no change"
    assert load_answering(platform, version).version.version == 1
    with pytest.raises(ArtifactUntrusted, match="signed it"):
        load_answering(open_with(trusted_keys=theirs["trusted_keys"]), version)

    rows = platform.connection.execute("SELECT model, version FROM streamflow.version_signature")
    assert rows.fetchall() == [("streamflow_churn", 1)]
    for role in (API, CONSOLE):
        with connect(platform.login.with_role(role), autocommit=True) as connection:
            connection.execute("SELECT signature FROM streamflow.version_signature")
    missing = open_with(trusted_keys=tmp_path / "nowhere.pem")
    with pytest.raises(SettingsInvalid, match="'trusted_keys': .*: No such file"):
        load_answering(missing, version)


@pytest.mark.state(JANUARY_TRAINED)
def test_a_version_that_would_not_answer_does_not_come_into_production(
    open_with: Opened, tmp_path: Path
) -> None:
    ours, theirs = write_keys(tmp_path / "ours"), write_keys(tmp_path / "theirs")
    trusted = {"trusted_keys": ours["trusted_keys"]}
    for settings in (trusted, {**trusted, "signing_key": theirs["signing_key"]}):
        platform = open_with(**settings)
        with pytest.raises(ArtifactUntrusted, match=r"no key of .*public\.pem signed it"):
            promote(platform, 1, force=True, why="an emergency")
        assert version_number_in_stage(platform, "Production") is None
        assert not ledger.entries(platform.connection)
    assert promote(open_with(**ours), 1, force=True, why="signed").decision == "promoted"


@pytest.mark.state(JANUARY_TRAINED)
def test_a_row_in_the_place_of_our_signature_and_an_open_key_are_noticed(
    open_with: Opened, tmp_path: Path
) -> None:
    files = write_keys(tmp_path / "ours")
    files["signing_key"].chmod(0o644)
    notes: list[str] = []
    platform = replace(open_with(**files), notify=notes.append)
    key_id = make_key_id(read_private_key(files["signing_key"].read_bytes()).public_key())
    platform.connection.execute(
        "INSERT INTO streamflow.version_signature (run_id, model, version, key_id, signature)"
        " VALUES (%s, %s, 1, %s, 'Zm9yZ2Vk')",
        [platform.models.version(1).run_id, platform.catalog.model, key_id],
    )
    with pytest.raises(ArtifactUntrusted, match=f"{key_id} of your key, but this key did not"):
        promote(platform, 1, to="staging")
    assert version_number_in_stage(platform, "Staging") is None
    assert [note for note in notes if "chmod 600" in note]
