"""Folders for copies: none stays, also after a kill, and none that is in use is removed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from streamflow.files import scratch_folders
from streamflow.files.scratch_folders import open_scratch_folder, remove_abandoned_folders


def leave_by_kill(space: Path) -> Path:
    """A folder with a file, whose process was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with open_scratch_folder(space) as folder:
            (folder / "users.csv").write_text("7590,Female")
            os.write(writing, str(folder).encode())
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(writing)
    folder = Path(os.read(reading, 4096).decode())
    os.close(reading)
    return folder


def test_a_folder_is_for_its_owner_alone_and_ends_with_the_block(tmp_path: Path) -> None:
    space = tmp_path / "state" / "tmp"
    with open_scratch_folder(space) as folder:
        (folder / "below").mkdir()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(space.iterdir()) == []


def test_what_a_killed_command_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    left = leave_by_kill(tmp_path)
    assert (left / "users.csv").exists()
    with open_scratch_folder(tmp_path) as folder:
        assert sorted(tmp_path.iterdir()) == sorted([folder, tmp_path / "other"])
    assert remove_abandoned_folders(tmp_path) == []


def test_a_folder_in_use_is_not_removed(tmp_path: Path) -> None:
    with open_scratch_folder(tmp_path) as first, open_scratch_folder(tmp_path) as second:
        assert remove_abandoned_folders(tmp_path) == []
        assert first.exists()
        assert second.exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    space = tmp_path / "tmp"
    space.mkdir()
    (space / "scratch-link").symlink_to(precious)
    assert remove_abandoned_folders(space) == []
    assert precious.exists()


def test_a_folder_that_cannot_be_removed_is_named_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = leave_by_kill(tmp_path)

    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    with monkeypatch.context() as patch:
        patch.setattr(scratch_folders, "rmtree", refuse)
        assert remove_abandoned_folders(tmp_path) == [left]
    assert remove_abandoned_folders(tmp_path) == []
    assert not left.exists()
