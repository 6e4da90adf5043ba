"""A server of root belongs to one state folder, whatever was renamed or copied."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamflow.database.embedded import hold_alone, remove_server
from streamflow.database.orphaned_servers import (
    OrphanedServer,
    find_orphaned_servers,
    find_server_of_others,
)
from streamflow.database.server_claim import require_own_server, write_claim, write_note
from streamflow.database.server_folder import (
    create_server_folders,
    find_folders_outside,
    find_server_folders,
    note_creation,
    remove_server_folders,
)
from streamflow.errors import DatabaseUnavailable

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only as root the server's files lie outside the state folder"
)


@pytest.fixture
def original(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose server has data, and was never started."""
    home = tmp_path / "original"
    folders = create_server_folders(home)
    folders.data.mkdir()
    note_creation(home, folders)
    yield home
    for folder in (folders.root, folders.socket):
        shutil.rmtree(folder, ignore_errors=True)


def root_of(home: Path) -> Path:
    return find_server_folders(home).root


def test_a_copy_is_refused_and_deletes_nothing(original: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    root = root_of(original)
    with pytest.raises(DatabaseUnavailable, match="is a copy of the state folder") as refused:
        create_server_folders(copy)
    assert f"--home {original} backup FILE" in refused.value.remedy
    assert find_folders_outside(copy) == []
    with hold_alone(copy) as is_alone:
        assert is_alone
    remove_server(copy)
    assert (root / "data").is_dir()
    assert root in find_folders_outside(original)
    create_server_folders(original)
    assert root not in [orphan.root for orphan in find_orphaned_servers()]


def test_a_renamed_folder_keeps_its_server_and_then_it_is_the_original(
    original: Path, tmp_path: Path
) -> None:
    root = root_of(original)
    renamed, copy = tmp_path / "renamed", tmp_path / "copy"
    shutil.copytree(original, copy)
    original.rename(renamed)
    # Nobody can know yet which of both was the original, so neither deletes the server.
    assert find_folders_outside(renamed) == find_folders_outside(copy) == []
    assert find_server_of_others(renamed) == OrphanedServer(root=root, home=original)
    assert create_server_folders(renamed).root == root
    assert root in find_folders_outside(renamed)
    assert find_server_of_others(renamed) is None
    with pytest.raises(DatabaseUnavailable, match=f"belongs to {renamed}"):
        create_server_folders(copy)


def test_a_link_is_the_same_folder(original: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(original)
    assert create_server_folders(link).root == root_of(original)
    create_server_folders(original)


def test_a_database_that_is_gone_is_not_made_again(original: Path) -> None:
    shutil.rmtree(root_of(original))
    with pytest.raises(DatabaseUnavailable, match="the database of .* is gone"):
        create_server_folders(original)


def test_a_creation_that_was_interrupted_is_continued(tmp_path: Path) -> None:
    home = tmp_path / "new"
    root = create_server_folders(home).root
    shutil.rmtree(root)
    assert create_server_folders(home).root == root
    remove_server_folders(home)
    assert not root.exists()


def test_a_note_of_an_earlier_release_is_understood(tmp_path: Path) -> None:
    home, root = tmp_path / "home", tmp_path / "server"
    home.mkdir()
    root.mkdir()
    write_note(home, root, is_created=False)
    write_claim(root, home)
    require_own_server(home)
    write_note(home, root, is_created=True)
    assert (home / "postgres.location").read_text() == f"{root}\ncreated\n"
    write_note(home, root, is_created=False)
    assert (home / "postgres.location").read_text() == f"{root}\ncreated\n"


def test_root_does_not_make_a_second_database_for_a_user(tmp_path: Path) -> None:
    data = tmp_path / "home" / "postgres" / "data"
    data.mkdir(parents=True)
    os.chown(data.parent, 12345, 12345)
    with pytest.raises(DatabaseUnavailable, match="the database of the user 12345, and you are"):
        create_server_folders(tmp_path / "home")
    assert not (tmp_path / "home" / "postgres.location").exists()
