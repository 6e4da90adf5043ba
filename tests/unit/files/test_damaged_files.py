"""Files that are damaged, or were made to look so, are named: none is an unforeseen error."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.events import events_catalog

from streamflow.catalog.file_format import STRICT_CSV
from streamflow.errors import BackupDamaged, CatalogInvalid
from streamflow.files import archive, data_contracts, excel_files
from streamflow.files.file_signs import describe_signs

NAME = b"model/a.bin"
CENTRAL_ENTRY = b"PK\x01\x02"
MAY_BE_READ = 6  # the place in this entry of the version of ZIP that a reader must know


def refuse(_: bytes) -> archive.HasMembers:
    raise BackupDamaged("this is not one of ours")


KIND = archive.ArchiveKind(noun="backup", command="backup", manifest="manifest.json", parse=refuse)


def write_archive(path: Path) -> bytes:
    with archive.open_for_writing(path, replace=True) as writer:
        writer.add(NAME.decode(), [b"weights" * 50])
        writer.finish("manifest.json", b"{}")
    return path.read_bytes()


def name_no_text(content: bytes) -> bytes:
    """Return an archive with a name that is said to be UTF-8, and is not."""
    begin = content.index(CENTRAL_ENTRY)
    flags = begin + 8
    changed = bytearray(content)
    changed[flags + 1] |= 0x08
    place = content.index(NAME, begin)
    changed[place] = 0x97
    return bytes(changed)


def need_newer_reader(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[content.index(CENTRAL_ENTRY) + MAY_BE_READ] = 0xD8
    return bytes(changed)


def break_entry(content: bytes) -> bytes:
    return content.replace(CENTRAL_ENTRY, b"PK\x01\x09")


DAMAGES = [name_no_text, need_newer_reader, break_entry]


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_damage_of_an_archive_is_named(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    path = tmp_path / "a.zip"
    path.write_bytes(damage(write_archive(path)))
    with pytest.raises(BackupDamaged), archive.open_for_reading(path, KIND):
        pass
    problem = "a file that is not Excel's .xlsx, or is damaged, or has a password"
    assert excel_files.find_problem(path, STRICT_CSV) == problem
    signs = describe_signs(path, "users", events_catalog())
    assert signs == "an Excel file or a zip archive, and it is damaged (fetch it again)"


def test_no_change_of_bytes_is_an_unforeseen_error(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    content = write_archive(path)
    choose = random.Random(1)
    for _ in range(400):
        changed = bytearray(content)
        changed[choose.randrange(len(changed))] = choose.randrange(256)
        path.write_bytes(changed)
        with pytest.raises(BackupDamaged), archive.open_for_reading(path, KIND):
            pass


@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        ("1" * 5_000, "int"),
        ("!!int x", "int"),
        ("!!float x", "float"),
        ("!!bool x", "bool"),
        ("!!timestamp x", "timestamp"),
    ],
)
def test_a_value_of_a_contract_that_is_not_of_its_type_is_named(
    tmp_path: Path, value: str, type_name: str
) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(f"id: churn\nversion: {value}\n")
    with pytest.raises(CatalogInvalid, match=f"line 2: it has no {type_name} that can be read"):
        data_contracts.read_contract(path)
