"""The Python files with the Feast objects of the owner of an installation.

They are code that runs in our processes. So a file is read only if nobody else can have written it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streamflow.errors import FeatureFileInvalid

OWN_FOLDER = "features"  # below the state folder, and below the feature repository
WRITABLE_BY_OTHERS = 0o022  # the write bits of the group and of everybody
ROOT = 0  # the user id of the administrator, who may write everything anyway
INIT_FILE = "__init__.py"  # Feast reads no objects from it


@dataclass(frozen=True, kw_only=True)
class OwnFile:
    """A file of own Feast objects."""

    path: Path
    text: str

    @property
    def copy_name(self) -> str:
        """Return the name of its copy in the feature repository."""
        return f"{OWN_FOLDER}/{self.path.name}"


@dataclass(frozen=True, kw_only=True)
class OwnFolder:
    """The folder of own Feast objects.

    Attributes:
        path: An absolute path.
        is_named: Whether a setting names it. The folder in the state folder may be absent.
    """

    path: Path
    is_named: bool = False

    def read(self) -> list[OwnFile]:
        """Read all files, in the order of their names.

        Raises:
            FeatureFileInvalid: a file cannot be read, or somebody else can write it.
        """
        if not self.is_named and not self.path.exists():
            return []
        if not self.path.is_dir():
            raise FeatureFileInvalid(
                f"{self.path} is no folder, but the setting feature_files names it",
                remedy="Make the folder, or name a different one.",
            )
        paths = sorted(
            path
            for path in self.path.glob("*.py")
            if path.name != INIT_FILE and not path.name.startswith(".")
        )
        if paths:
            _require_safe(self.path)
        return [_read_file(path) for path in paths]


def find_own_folder(home: Path, named_folder: Path | None) -> OwnFolder:
    """Return the folder that a setting names, or else the one in the state folder."""
    folder = named_folder or home / OWN_FOLDER
    return OwnFolder(path=folder.absolute(), is_named=named_folder is not None)


def _read_file(path: Path) -> OwnFile:
    """Read one file.

    Raises:
        FeatureFileInvalid: it cannot be read, or somebody else can write it.
    """
    if not path.stem.isidentifier():
        raise FeatureFileInvalid(
            f"{path}: Feast imports the file, so its name has letters, digits and '_' only",
            remedy="Rename the file.",
        )
    _require_safe(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise FeatureFileInvalid(f"{path}: it cannot be read: {exc}") from exc
    return OwnFile(path=path, text=text)


def _require_safe(path: Path) -> None:
    """Raise FeatureFileInvalid if somebody else can write a path, or replace it by a different one.

    So nobody else may write the folders above it either, nor replace a link on the way. In a folder
    with the sticky bit, such as /tmp, only the owner of an entry can replace it.
    """
    try:
        target = path.resolve(strict=True)
        for entry in _list_entries(path):
            _require_own(entry, path, is_target=entry.resolve() == target)
    except (OSError, RuntimeError) as exc:  # a link that leads nowhere, or to itself
        raise FeatureFileInvalid(f"{path}: it cannot be read: {exc}") from exc


def _list_entries(path: Path) -> Iterator[Path]:
    """Return a path and each folder above it, and the same for each link on the way."""
    for entry in (path, *path.parents):
        yield entry
        if entry.is_symlink():
            yield from _list_entries(entry.parent / entry.readlink())


def _require_own(entry: Path, path: Path, *, is_target: bool) -> None:
    """Raise FeatureFileInvalid if somebody else can write an entry on the way to a path.

    Args:
        entry: a file, a folder or a link. A link has no rights of its own.
        path: what will be read.
        is_target: the entry is the path itself, or what the path leads to.
    """
    status = entry.lstat()
    is_link = stat.S_ISLNK(status.st_mode)
    is_sticky_folder = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    is_writable = status.st_mode & WRITABLE_BY_OTHERS and not is_link
    if is_writable and (is_target or not is_sticky_folder):
        raise FeatureFileInvalid(
            f"{path} is not used: every user of a group, or everybody, can write {entry}",
            remedy=f"Check what it contains, and run 'chmod go-w {entry}'.",
        )
    if status.st_uid not in (os.geteuid(), ROOT):
        raise FeatureFileInvalid(
            f"{path} is not used: {entry} belongs to a different user",
            remedy="Copy the files into a folder of yours.",
        )
