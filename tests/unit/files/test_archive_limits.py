"""An archive that unpacks to much more than it is, or than it says, is refused in a moment."""

from __future__ import annotations

import json
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest

from streamflow.core.training import holdout_probabilities
from streamflow.core.versions.manifest import EXPORT_NAME, Member, parse_export
from streamflow.errors import BackupDamaged
from streamflow.files import archive

MB = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """The part of a manifest that a reader needs."""

    members: Mapping[str, Member]


def parse(text: bytes) -> Manifest:
    """Read a manifest: name -> [sha256, bytes]."""
    values = json.loads(text)
    return Manifest({name: Member(sha256=s, bytes=size) for name, (s, size) in values.items()})


KIND = archive.ArchiveKind(noun="backup", command="backup", manifest="manifest.json", parse=parse)


def write(path: Path, content: bytes, *, declared_bytes: int, manifest_padding: int = 0) -> None:
    """Write an archive of one member, whose size in the manifest is chosen."""
    manifest = json.dumps({"a": [sha256(content).hexdigest(), declared_bytes]}).encode()
    with ZipFile(path, "w", compression=ZIP_DEFLATED) as file:
        file.writestr("a", content)
        with file.open("manifest.json", "w") as member:
            member.write(manifest)
            for _ in range(manifest_padding):
                member.write(b" " * MB)


def understate(path: Path, name: bytes, size: int, declared: int) -> None:
    """Change the size of a member in the headers of the archive."""
    content = path.read_bytes()
    old, new = size.to_bytes(4, "little"), declared.to_bytes(4, "little")
    assert content.count(old + len(name).to_bytes(2, "little")) == 2
    path.write_bytes(content.replace(old, new))


def read(path: Path) -> bytes:
    with archive.open_for_reading(path, KIND) as reader:
        return b"".join(reader.chunks("a"))


def test_an_honest_archive_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", b"x" * 100, declared_bytes=100)
    assert read(tmp_path / "a.zip") == b"x" * 100


def test_a_padded_manifest_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write(path, b"x", declared_bytes=1, manifest_padding=65)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BackupDamaged, match=r"manifest\.json: it has 68,\d+,\d+ bytes, at most"):
        read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024  # KB


@pytest.mark.parametrize("declared_bytes", [0, 99, 101, 10**12])
def test_a_size_that_is_not_the_one_in_the_manifest_is_refused(
    tmp_path: Path, declared_bytes: int
) -> None:
    write(tmp_path / "a.zip", b"x" * 100, declared_bytes=declared_bytes)
    with pytest.raises(BackupDamaged, match=f"has 100 bytes, the manifest says {declared_bytes:,}"):
        read(tmp_path / "a.zip")


def test_members_much_larger_than_the_archive_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", b"\0" * (65 * MB), declared_bytes=65 * MB)
    with pytest.raises(BackupDamaged, match="its files have 68,157,440 bytes, at most 67,108,864"):
        read(tmp_path / "a.zip")


def test_a_member_whose_headers_and_manifest_both_understate_its_size_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.zip"
    write(path, b"x" * 70_001, declared_bytes=9)
    understate(path, b"a", 70_001, 9)
    with pytest.raises(BackupDamaged, match="a: "):
        read(path)


def test_names_that_are_repeated_very_often_are_refused_in_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    members = {f"m{i}": ["0" * 64, 0] for i in range(30_000)}
    with ZipFile(path, "w") as file:
        file.writestr("manifest.json", json.dumps(members))
        for name in members:
            file.writestr(f"x{name}", b"")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with pytest.raises(BackupDamaged, match="is not exactly once"):
        read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 5


def test_a_negative_size_is_refused() -> None:
    text = {"format": 1, "streamflow": "1", "members": {"a": {"sha256": "", "bytes": -1}}}
    with pytest.raises(BackupDamaged, match=EXPORT_NAME):
        parse_export(json.dumps(text).encode())


@pytest.mark.parametrize("shape", ["(9999999999999,)", "(3,)", "(1,)"])
def test_probabilities_that_declare_another_size_are_refused(shape: str) -> None:
    honest = holdout_probabilities.to_bytes(np.array([0.25, 0.5]))
    end = b"), }"
    padding = b" " * (len(shape) - len("(2,)"))
    planted = honest.replace(b"(2," + end + padding, shape.encode() + b", }")
    assert planted != honest
    with pytest.raises(ValueError, match="the size that it declares"):
        holdout_probabilities.from_bytes(planted)
