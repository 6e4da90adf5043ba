"""inbox: find the folders of the inbox that are new or changed, process them, and list all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from streamflow.core.data.catalog_definitions import catalog_to_values
from streamflow.core.data.instants import instant_of_day
from streamflow.errors import DropConflict, SettingsInvalid, StreamflowError
from streamflow.files.csv_files import hash_bytes
from streamflow.files.drop_folders import DATE_FILE, read_drop_date
from streamflow.platform import Platform
from streamflow.settings import Settings
from streamflow.warehouse import inbox as store
from streamflow.warehouse.inbox import InboxEntry

# A folder that changed less than this long ago may still be being written. A convention.
QUIET_TIME = timedelta(seconds=5)

# A folder that did not change from this long before it was processed until now is not read again.
# Far above the error of any clock.
UNCHANGED_MARGIN = timedelta(hours=1)

PARTIAL = (".partial", ".tmp")  # how names end while their files are being copied

# Folders without a date come before all others.
NO_DATE = datetime.min.replace(tzinfo=UTC)

# The last change of a folder that has partial files, or that was moved away at this moment.
STILL_CHANGING = datetime.max.replace(tzinfo=UTC)

ProcessFolder = Callable[[Path, datetime], object]


@dataclass(frozen=True, kw_only=True)
class InboxDrop:
    """One folder of the inbox and its status.

    status   done, failed, waiting (it is being written), or removed (it failed and is gone now)
    """

    folder: str
    status: str
    as_of: date | None = None
    error: str = ""
    at: datetime | None = None
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class InboxReceipt:
    """Every folder that is or was in the inbox, and the names of those processed in this call."""

    inbox: Path
    drops: tuple[InboxDrop, ...]
    processed: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Return whether a folder that is still in the inbox has failed."""
        return any(drop.status == "failed" for drop in self.drops)


@dataclass(frozen=True, kw_only=True)
class _PendingFolder:
    """A new or changed folder; `problem` says why it cannot be processed."""

    folder: Path
    digest: str
    as_of: datetime | None
    problem: StreamflowError | None = None


def inbox_folder(settings: Settings) -> Path:
    """Return the folder that drops arrive in.

    Raises:
        SettingsInvalid: the setting 'inbox' is empty, or its folder does not exist.
    """
    if settings.inbox is None:
        raise SettingsInvalid(
            "setting 'inbox' names no folder",
            remedy="Set STREAMFLOW_INBOX, or inbox in streamflow.toml, to the folder in which "
            "drops arrive.",
        )
    if not settings.inbox.is_dir():
        raise SettingsInvalid(
            f"setting 'inbox': {settings.inbox}: no such folder",
            remedy="Create the folder, or name a different one.",
        )
    return settings.inbox.absolute()


def inbox(platform: Platform, run: ProcessFolder, *, now: Callable[[], datetime]) -> InboxReceipt:
    """Process each new or changed folder by `run(folder, as_of)`, in order of as_of.

    A folder that fails does not stop the next ones. An error that can pass by itself is raised:
    the folder stays new, and the next call tries it again.
    """
    root = inbox_folder(platform.settings)
    processed = []
    with store.lock_inbox(platform.connection):
        for pending in _find_pending(platform, root, now()):
            platform.notify(f"processing {pending.folder}")
            begin = now()
            error = _process(pending, run)
            digest = _attempt_digest(platform, pending) if error else pending.digest
            entry = InboxEntry(
                folder=pending.folder.name,
                digest=digest,
                as_of=pending.as_of,
                status="failed" if error else "done",
                error=error,
                at=begin,
            )
            store.record_entry(platform.connection, entry)
            processed.append(pending.folder.name)
    return InboxReceipt(inbox=root, drops=list_inbox(platform, now()), processed=tuple(processed))


def list_inbox(platform: Platform, now: datetime) -> tuple[InboxDrop, ...]:
    """Return every folder with its status; the folders that wait come last."""
    root = inbox_folder(platform.settings)
    folders = {folder.name: folder for folder in _subfolders(root)}
    entries = store.entries(platform.connection)
    waiting_names = [
        name
        for name, folder in folders.items()
        if name not in entries or not _is_quiet(_last_change(folder), now)
    ]
    processed = [
        _describe_entry(entry, exists=entry.folder in folders)
        for entry in entries.values()
        if entry.folder not in waiting_names
    ]
    waiting = [InboxDrop(folder=name, status="waiting") for name in waiting_names]
    return (*processed, *waiting)


def _describe_entry(entry: InboxEntry, *, exists: bool) -> InboxDrop:
    """Return a stored entry as a row of the listing; `exists`: its folder is in the inbox."""
    is_removed = entry.status == "failed" and not exists
    return InboxDrop(
        folder=entry.folder,
        status="removed" if is_removed else entry.status,
        as_of=entry.as_of.date() if entry.as_of else None,
        error=entry.error,
        at=entry.at,
        digest=entry.digest,
    )


def _find_pending(platform: Platform, root: Path, now: datetime) -> list[_PendingFolder]:
    """Return the folders whose content was not processed yet, in order of as_of.

    Folders without an as_of come first. A folder that failed is tried again with a new catalog.
    """
    entries = store.entries(platform.connection)
    pending_folders = []
    for folder in _subfolders(root):
        last_change = _last_change(folder)
        if not _is_quiet(last_change, now):
            platform.notify(f"{folder.name} is being written: skipped for now")
            continue
        entry = entries.get(folder.name)
        is_done = entry is not None and entry.status == "done"
        if entry and is_done and last_change < entry.at - UNCHANGED_MARGIN:
            continue
        pending = _read_folder(folder)
        digest = pending.digest if is_done else _attempt_digest(platform, pending)
        if entry is None or entry.digest != digest:
            pending_folders.append(pending)
    return sorted(
        pending_folders,
        key=lambda pending: (pending.as_of or NO_DATE, pending.folder.name),
    )


def _subfolders(root: Path) -> list[Path]:
    """Return the folders of the inbox by name, without hidden and half-copied ones."""
    return sorted(
        path
        for path in root.iterdir()
        if path.is_dir() and not path.name.startswith(".") and not path.name.endswith(PARTIAL)
    )


def _files(folder: Path) -> list[Path]:
    """Return the files that belong to a drop. Hidden files belong to the file browser."""
    return sorted(
        path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")
    )


def _is_quiet(last_change: datetime, now: datetime) -> bool:
    """Return whether a folder has not changed for QUIET_TIME."""
    return last_change <= now - QUIET_TIME


def _last_change(folder: Path) -> datetime:
    """Return when the folder or a file in it last changed; STILL_CHANGING if it is being written.

    This is the ctime, because a copy cannot set it to that of its original.
    """
    try:
        if any(path.name.endswith(PARTIAL) for path in folder.iterdir()):
            return STILL_CHANGING
        paths = (folder, *_files(folder))
        return datetime.fromtimestamp(max(path.stat().st_ctime for path in paths), UTC)
    except OSError:  # the folder, or a file in it, was removed at this moment
        return STILL_CHANGING


def _read_folder(folder: Path) -> _PendingFolder:
    """Read a folder's digest and date.

    This happens before the folder is processed: the next call sees a change that is made in
    between.
    """
    digest = ""
    try:
        digest = _digest(folder)
        day = read_drop_date(folder) or _date_in(folder.name)
    except OSError as exc:
        problem = StreamflowError(f"{folder}: it cannot be read: {exc}")
        return _PendingFolder(folder=folder, digest=digest, as_of=None, problem=problem)
    except StreamflowError as exc:
        return _PendingFolder(folder=folder, digest=digest, as_of=None, problem=exc)
    return _PendingFolder(folder=folder, digest=digest, as_of=instant_of_day(day))


def _digest(folder: Path) -> str:
    """Return the sha256 of the names and digests of a folder's files."""
    lines = [f"{path.name}\0{hash_bytes(path)}\n" for path in _files(folder)]
    return sha256("".join(lines).encode()).hexdigest()


def _attempt_digest(platform: Platform, pending: _PendingFolder) -> str:
    """Return the sha256 of a folder's content and of the catalog that it is read by."""
    catalog = json.dumps(catalog_to_values(platform.catalog), sort_keys=True)
    return sha256(f"{pending.digest}\0{catalog}".encode()).hexdigest()


def _date_in(name: str) -> date:
    """Return the date that a folder's name is. Raises DropConflict when it is not a date."""
    with suppress(ValueError):
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", name):
            return date.fromisoformat(name)
    raise DropConflict(
        f"{name}: neither its name nor a {DATE_FILE} in it says the date",
        remedy=f"Name the folder YYYY-MM-DD, or write 'as_of = YYYY-MM-DD' into {DATE_FILE}.",
    )


def _process(pending: _PendingFolder, run: ProcessFolder) -> str:
    """Process one folder; return the error as text for the table, or an empty text."""
    if pending.problem is not None or pending.as_of is None:
        return str(pending.problem)
    try:
        run(pending.folder, pending.as_of)
    except StreamflowError as exc:
        if exc.retryable:
            raise
        return str(exc)
    # Any error of one folder must not stop the next one.
    except Exception as exc:  # noqa: BLE001
        return f"{type(exc).__name__}: {exc}"
    return ""
