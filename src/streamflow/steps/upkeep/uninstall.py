"""uninstall: delete an installation, which is its state folder and its embedded database.

A database on your own server is never touched.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from streamflow.database import (
    find_folders_outside,
    find_server_of_others,
    from_url,
    hold_alone,
    remove_server_folders,
)
from streamflow.errors import StreamflowError, UninstallRefused
from streamflow.files.home_catalog import COPY_FILE
from streamflow.settings import CATALOG_SOURCE_FILE, Settings
from streamflow.warehouse.roles import API, CONSOLE, EXPRESSIONS, MAINTENANCE, READER, WRITER

# Everything that streamflow makes in a state folder. A folder with anything else is not deleted.
STATE_ENTRIES = frozenset(
    {
        CATALOG_SOURCE_FILE,
        COPY_FILE,
        "artifacts",
        "console-exports",
        "demo",
        "demo.txt",
        "feast",
        "home.location",
        "logs",
        "postgres",
        "postgres.location",
        "postgres.lock",
        "prefect",
        "prefect.lock",
        "reports",
        "run",
        "tmp",
    }
)
# Each of these files shows that streamflow made the folder. Other programs make a `logs`, too.
MARKS = ("postgres.lock", "postgres.location", "prefect.lock", "feast/feature_store.yaml")
# It is deleted last, so that an uninstallation that was interrupted can be continued.
LAST_MARK = MARKS[0]


@dataclass(frozen=True, kw_only=True)
class FolderSize:
    """A folder, and the size of all files in it."""

    path: Path
    bytes: int


@dataclass(frozen=True, kw_only=True)
class UninstallReceipt:
    """What was deleted, or would be deleted.

    Attributes:
        home: The state folder.
        folders: The folders, with their sizes before. Empty if there is nothing to delete.
        remaining: What stays because it is not in these folders, and how to remove it by hand.
        is_deleted: Whether the folders were deleted. False in a plan.
    """

    home: Path
    folders: tuple[FolderSize, ...]
    remaining: tuple[str, ...]
    is_deleted: bool


def plan_uninstall(settings: Settings) -> UninstallReceipt:
    """Find what an uninstallation deletes; delete nothing.

    Raises:
        UninstallRefused: The folder is not a state folder, or holds something of yours.
    """
    home = settings.home.absolute()
    paths = find_folders_outside(home)
    if os.path.lexists(home):
        _require_state_folder(home)
        paths = [home, *paths]
    folders = tuple(FolderSize(path=path, bytes=_measure(path)) for path in paths)
    return UninstallReceipt(
        home=home,
        folders=folders,
        remaining=tuple(_describe_remaining(settings)),
        is_deleted=False,
    )


def uninstall(settings: Settings) -> UninstallReceipt:
    """Delete the state folder and the embedded database. Do nothing if there is nothing.

    Raises:
        UninstallRefused: The installation is in use, or the folder is not a state folder.
        StreamflowError: A file cannot be deleted.
    """
    plan = plan_uninstall(settings)
    with keep_unused(plan.home):
        if plan.folders:
            _delete(plan.home)
    return replace(plan, is_deleted=bool(plan.folders))


@contextmanager
def keep_unused(home: Path) -> Iterator[None]:
    """Let no process use the embedded database during the block.

    Raises UninstallRefused if a process uses it now.
    """
    with hold_alone(home) as is_alone:
        if not is_alone:
            raise UninstallRefused(
                f"another process uses the database of {home}",
                remedy="End the commands that use this state folder, then try again.",
            )
        yield


def _require_state_folder(home: Path) -> None:
    """Raise UninstallRefused unless streamflow made this folder and everything in it."""
    if not home.is_dir() or not any((home / mark).exists() for mark in MARKS):
        raise UninstallRefused(f"{home} is not a state folder of streamflow")
    foreign = sorted(path.name for path in home.iterdir() if path.name not in STATE_ENTRIES)
    if foreign:
        raise UninstallRefused(
            f"{home} holds something that streamflow did not make: {', '.join(foreign)}",
            remedy="Move it to a different folder, then try again.",
        )


def _measure(folder: Path) -> int:
    """Return the size of all files below a folder, in bytes. Links are not followed."""
    size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            if os.path.lexists(path):
                size += path.lstat().st_size
    return size


def _describe_remaining(settings: Settings) -> Iterator[str]:
    """Say what an uninstallation never touches, and how a person removes it."""
    home = settings.home.absolute()
    server = find_server_of_others(home)
    if server is not None:
        yield (
            f"the database in {server.root}: it belongs to {server.home}. If this state folder was"
            f" renamed, run 'streamflow --home {home} doctor' first, and uninstall then"
        )
    if settings.database_url is not None:
        login = from_url(settings.database_url.get_secret_value())
        yield f'the database {login.display}: DROP DATABASE "{login.database}";'
        if settings.mlflow_tracking_uri is None:
            name = settings.mlflow_database
            yield f'the database of MLflow on the same server: DROP DATABASE "{name}";'
        yield (
            "the roles, if no other installation uses this server:"
            f" DROP ROLE {API}, {CONSOLE}, {EXPRESSIONS}, {MAINTENANCE}, {READER}, {WRITER};"
        )
    if settings.mlflow_tracking_uri is not None:
        yield f"runs and versions on the MLflow server {settings.mlflow_tracking_uri}"
    if settings.artifact_root is not None:
        yield f"artifacts at {settings.artifact_root}"
    if settings.lake is not None:
        yield f"frozen rows with the keys of users in the lake at {settings.lake}"


def _delete(home: Path) -> None:
    """Delete the folders of the server, then the state folder. Links are not followed."""
    folder = home.resolve()
    try:
        if folder.is_dir():
            (folder / LAST_MARK).touch()
        remove_server_folders(home)
        if not folder.is_dir():
            return
        for path in sorted(folder.iterdir(), key=lambda path: path.name == LAST_MARK):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        folder.rmdir()
        if home.is_symlink():
            home.unlink()
    except OSError as exc:
        raise StreamflowError(
            f"{exc.filename}: {exc.strerror}",
            state="A part of the installation was deleted.",
            remedy="Correct this, then run 'streamflow uninstall' again: it continues.",
        ) from exc
