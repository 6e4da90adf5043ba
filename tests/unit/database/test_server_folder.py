"""The private folders of the server and of the services: nobody else chooses them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from streamflow.database import server_folder
from streamflow.database.server_claim import read_claim, read_note, write_claim, write_note
from streamflow.errors import DatabaseUnavailable, ServiceFailed
from streamflow.services import running_stack

SOMEBODY_ELSE = 54_321  # the id of a user


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a link of somebody else")
def test_a_link_of_somebody_else_is_refused_and_its_target_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "ours"
    target.mkdir()
    target.chmod(0o755)
    link = tmp_path / "streamflow-0123456789ab"
    link.symlink_to(target)
    os.chown(link, SOMEBODY_ELSE, SOMEBODY_ELSE, follow_symlinks=False)
    with pytest.raises(DatabaseUnavailable, match="belongs to a different user"):
        server_folder._make_private(link, server_folder._find_account())
    with pytest.raises(ServiceFailed, match="belongs to a different user"):
        running_stack._make_private(link)
    status = target.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o755, os.geteuid())


def test_a_link_of_ours_is_a_folder_of_ours(tmp_path: Path) -> None:
    target = tmp_path / "disk"
    target.mkdir()
    target.chmod(0o755)
    link = tmp_path / "postgres"
    link.symlink_to(target)
    server_folder._make_private(link, None)
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    target.chmod(0o755)
    assert running_stack._make_private(link) == link
    assert stat.S_IMODE(target.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders outside the state folder")
def test_a_deletion_that_fails_is_no_success_and_can_be_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "base"
    home = tmp_path / "home"
    root = base / "server"
    (root / "data" / "base").mkdir(parents=True)
    (root / "server.lock").touch()
    home.mkdir()
    write_note(home, root, is_created=True)
    write_claim(root, home)
    monkeypatch.setattr(server_folder, "SHARED_FOLDERS", (base,))
    with monkeypatch.context() as broken:
        broken.setattr(server_folder.shutil, "rmtree", _refuse)
        with pytest.raises(PermissionError):
            server_folder.remove_server_folders(home)
    assert (read_note(home), read_claim(root)) == (root, home)
    server_folder.remove_server_folders(home)
    assert not root.exists()
    assert read_note(home) is None


def _refuse(path: Path) -> None:
    raise PermissionError(path)
