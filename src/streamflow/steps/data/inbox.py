"""inbox: which folders of the inbox are new or changed, and what became of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from streamflow.core.data.instants import instant
from streamflow.errors import DropConflict, SettingsInvalid, StreamflowError
from streamflow.files.csv_files import inspect
from streamflow.files.drop_folders import DATE_FILE, dated
from streamflow.platform import Platform
from streamflow.settings import Settings
from streamflow.warehouse import inbox as store
from streamflow.warehouse.inbox import InboxEntry

SETTLED = timedelta(
    seconds=5
)  # a folder that changed later may still be being written; a convention
KNOWN_AFTER = timedelta(
    hours=1
)  # untouched since that long before it was processed: not read again; far above any clock's error
PARTIAL = (".partial", ".tmp")  # how names end while their files are being copied

Run = Callable[[Path, date], object]


@dataclass(frozen=True, kw_only=True)
class InboxDrop:
    """One folder: done or failed; waiting (being written); removed (failed, and no longer there)."""

    folder: str
    status: str
    as_of: date | None = None
    error: str = ""
    at: datetime | None = None
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class InboxReceipt:
    """Every folder that is there or was, and which of them were processed now."""

    inbox: Path
    drops: tuple[InboxDrop, ...]
    processed: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether a folder that is there has failed."""
        return any(drop.status == "failed" for drop in self.drops)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A new or changed folder; `problem` says why it cannot be processed."""

    folder: Path
    digest: str
    as_of: date | None
    problem: StreamflowError | None = None


def inbox_folder(settings: Settings) -> Path:
    """The folder that drops arrive in. Raises SettingsInvalid when none is set or it is not there."""
    if settings.inbox is None:
        raise SettingsInvalid(
            "setting 'inbox' names no folder",
            remedy="Set STREAMFLOW_INBOX, or inbox in streamflow.toml, to where drops arrive.",
        )
    if not settings.inbox.is_dir():
        raise SettingsInvalid(
            f"setting 'inbox': {settings.inbox}: no such folder",
            remedy="Create it, or name another one.",
        )
    return settings.inbox.absolute()


def inbox(platform: Platform, run: Run, *, now: Callable[[], datetime]) -> InboxReceipt:
    """Process what is new or changed, in order of as_of, by `run(folder, as_of)`; one bad folder does not stop the others.

    An error that can pass by itself is raised: the folder stays new, and the next call tries it again.
    """
    root, processed = inbox_folder(platform.settings), []
    with store.alone(platform.connection):
        for found in _new(platform, root, now()):
            platform.notify(f"processing {found.folder}")
            at, error = now(), _error_of(found, run)
            name = found.folder.name
            entry = InboxEntry(
                folder=name,
                digest=found.digest,
                as_of=instant(found.as_of) if found.as_of else None,
                status="failed" if error else "done",
                error=error,
                at=at,
            )
            store.record(platform.connection, entry)
            processed.append(name)
    return InboxReceipt(inbox=root, drops=listing(platform, now()), processed=tuple(processed))


def listing(platform: Platform, now: datetime) -> tuple[InboxDrop, ...]:
    """Every folder with its status, those that wait at the end."""
    root = inbox_folder(platform.settings)
    there, known = {p.name: p for p in _subfolders(root)}, store.entries(platform.connection)
    drops = [_described(entry, entry.folder in there) for entry in known.values()]
    waiting = [
        InboxDrop(folder=name, status="waiting")
        for name, p in there.items()
        if name not in known or _being_written(p, now)
    ]
    return tuple([d for d in drops if d.folder not in {w.folder for w in waiting}] + waiting)


def _described(entry: InboxEntry, there: bool) -> InboxDrop:
    return InboxDrop(
        folder=entry.folder,
        status="removed" if entry.status == "failed" and not there else entry.status,
        as_of=entry.as_of.date() if entry.as_of else None,
        error=entry.error,
        at=entry.at,
        digest=entry.digest,
    )


def _new(platform: Platform, root: Path, now: datetime) -> list[_Found]:
    """The folders whose content was not processed yet, in order of as_of; those without one first."""
    known = store.entries(platform.connection)
    found = []
    for folder in _subfolders(root):
        if _being_written(folder, now):
            platform.notify(f"{folder.name} is being written: skipped for now")
            continue
        entry = known.get(folder.name)
        if entry is not None and _last_change(folder) < entry.at - KNOWN_AFTER:
            continue
        seen = _look_at(folder)
        if entry is None or entry.digest != seen.digest:
            found.append(seen)
    return sorted(found, key=lambda f: (f.as_of or date.min, f.folder.name))


def _subfolders(root: Path) -> list[Path]:
    return sorted(
        p
        for p in root.iterdir()
        if p.is_dir() and not p.name.startswith(".") and not p.name.endswith(PARTIAL)
    )


def _files(folder: Path) -> list[Path]:
    """What belongs to a drop. Hidden files are the file browser's own."""
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))


def _being_written(folder: Path, now: datetime) -> bool:
    try:
        return (
            any(p.name.endswith(PARTIAL) for p in folder.iterdir())
            or _last_change(folder) > now - SETTLED
        )
    except OSError:  # it, or a file of it, went away just now
        return True


def _last_change(folder: Path) -> datetime:
    """When the folder or a file in it last changed: by ctime, which a copy cannot bring along."""
    return datetime.fromtimestamp(max(p.stat().st_ctime for p in (folder, *_files(folder))), UTC)


def _look_at(folder: Path) -> _Found:
    """Its digest is taken before it is processed: what changes in between is a change at the next look."""
    digest, as_of = "", None
    try:
        digest = sha256(
            "".join(f"{p.name}\0{inspect(p).sha256}\n" for p in _files(folder)).encode()
        ).hexdigest()
        as_of = dated(folder) or _date_in(folder.name)
    except OSError as exc:
        return _Found(
            folder=folder,
            digest=digest,
            as_of=None,
            problem=StreamflowError(f"{folder}: it cannot be read: {exc}"),
        )
    except StreamflowError as exc:
        return _Found(folder=folder, digest=digest, as_of=None, problem=exc)
    return _Found(folder=folder, digest=digest, as_of=as_of)


def _date_in(name: str) -> date:
    with suppress(ValueError):
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", name):
            return date.fromisoformat(name)
    raise DropConflict(
        f"{name}: neither its name nor a {DATE_FILE} in it says the date",
        remedy=f"Name the folder YYYY-MM-DD, or write 'as_of = YYYY-MM-DD' into {DATE_FILE}.",
    )


def _error_of(found: _Found, run: Run) -> str:
    """What went wrong, for the table; empty when all went well."""
    if found.problem is not None or found.as_of is None:
        return str(found.problem)
    try:
        run(found.folder, found.as_of)
    except StreamflowError as exc:
        if exc.retryable:
            raise
        return str(exc)
    except Exception as exc:  # whatever it is, the next folder has its turn
        return f"{type(exc).__name__}: {exc}"
    return ""
