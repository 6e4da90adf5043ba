"""A backup or an export as one ZIP file: written beside its place, read with every byte checked."""

from __future__ import annotations

import fcntl
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Generic, Protocol, TypeVar
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from streamflow.core.versions.manifest import Member
from streamflow.errors import BackupDamaged, StreamflowError
from streamflow.files.disk_space import named_when_full
from streamflow.files.text_files import refuse_existing

CHUNK = 1 << 20


class Writer:
    """Takes files and keeps account of them; the manifest comes last."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self.members: dict[str, Member] = {}

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write one file, a chunk at a time."""
        digest, size = sha256(), 0
        with self._archive.open(_info(name), "w", force_zip64=True) as file:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
        self.members[name] = Member(sha256=digest.hexdigest(), bytes=size)

    def finish(self, name: str, manifest: bytes) -> None:
        """Write the manifest, which names all that was added."""
        with self._archive.open(_info(name), "w") as file:
            file.write(manifest)


def _info(name: str) -> ZipInfo:
    info = ZipInfo(name)
    info.compress_type = ZIP_DEFLATED
    info.external_attr = (stat.S_IFREG | 0o600) << 16
    return info


@contextmanager
def writing(path: Path, *, replace: bool) -> Iterator[Writer]:
    """Write a backup to `path`: it is there whole at the end, readable by us alone, or not at all.

    Raises StreamflowError when there is something already, unless `replace`.
    """
    if not replace:
        refuse_existing(path)
    partial = path.with_name(f"{path.name}.partial")
    descriptor = _open_alone(partial)
    try:
        with named_when_full(path.parent), os.fdopen(descriptor, "w+b") as file:
            with ZipFile(file, "w", compresslevel=1) as archive:
                yield Writer(archive)
            file.flush()
            os.fsync(file.fileno())
            if not replace:
                refuse_existing(path)
            partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _open_alone(partial: Path) -> int:
    """Open the file beside, emptied of what a killed backup left; the lock goes with this process."""
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise StreamflowError(f"{partial}: {exc.strerror}", remedy="Name another file.") from exc
    if not (_try_lock(descriptor) and _is_at(descriptor, partial)):
        os.close(descriptor)
        raise StreamflowError(
            f"{partial}: another backup writes it", remedy="Wait for it, or name another file."
        )
    os.ftruncate(descriptor, 0)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one at `path`: a backup that has just finished has given its own another name."""
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


class HasMembers(Protocol):
    """A manifest, as far as reading asks for it."""

    @property
    def members(self) -> Mapping[str, Member]:
        """Name -> file; all but the manifest."""


M = TypeVar("M", bound=HasMembers)


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[M]):
    """What kind of file is read. `noun` and `command` say it to people, `manifest` is the member that makes it one."""

    noun: str
    command: str
    manifest: str
    parse: Callable[[bytes], M]


class Reader(Generic[M]):
    """A file that is read; what it hands out is what the manifest names, or BackupDamaged is raised before the end."""

    def __init__(self, archive: ZipFile, manifest: M) -> None:
        self._archive, self.manifest = archive, manifest

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of one file. Raises BackupDamaged, after the last chunk at the latest."""
        member, digest, size = self.manifest.members[name], sha256(), 0
        with _damage_named(name, ""), self._archive.open(name) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                yield chunk
        if (digest.hexdigest(), size) != (member.sha256, member.bytes):
            raise BackupDamaged(
                f"{name}: it has the digest {digest.hexdigest()}, the manifest says {member.sha256}"
            )


@contextmanager
def reading(path: Path, kind: Kind[M]) -> Iterator[Reader[M]]:
    """Open a file of this kind. Raises BackupDamaged when it is none, or holds anything but what its manifest names."""
    try:
        archive = ZipFile(path)
    except OSError as exc:
        raise BackupDamaged(
            f"{path}: {exc.strerror}", remedy=f"Name a file that '{kind.command}' wrote."
        ) from exc
    except BadZipFile as exc:
        raise BackupDamaged(f"{path}: {exc}") from exc
    with archive:
        with _damage_named(kind.manifest, f"this is no {kind.noun} of streamflow"):
            text = archive.read(kind.manifest)
        manifest = kind.parse(text)
        _check_names(archive, kind.manifest, manifest.members)
        yield Reader(archive, manifest)


@contextmanager
def _damage_named(name: str, missing: str) -> Iterator[None]:
    try:
        yield
    except KeyError as exc:
        raise BackupDamaged(f"{name} is missing: {missing or 'the file is damaged'}") from exc
    except (BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as exc:
        raise BackupDamaged(f"{name}: {exc}") from exc


def _check_names(archive: ZipFile, own: str, members: Mapping[str, Member]) -> None:
    """Every file is one that the manifest names, once, and none could be written outside of the folder that it belongs to."""
    names = [info.filename for info in archive.infolist()]
    wrong = sorted(n for n in {*names, *members} if not is_safe(n))
    wrong += [
        i.filename
        for i in archive.infolist()
        if stat.S_IFMT(i.external_attr >> 16) not in (0, stat.S_IFREG)
    ]
    if wrong:
        raise BackupDamaged(f"{wrong[0]!r} is no name that a file of ours has")
    if sorted(names) != sorted([*members, own]):
        apart = sorted(set(names) ^ {*members, own}) or sorted(
            n for n in names if names.count(n) > 1
        )
        raise BackupDamaged(f"{apart[0]!r} is not both in the file and in its manifest, once")


def is_safe(name: str) -> bool:
    r"""Whether a name stays below the folder that it is written to.

    >>> [is_safe(n) for n in ("artifacts/1/a.txt", "../a", "/etc/a", "a//b", "a/./b", "a\\b", "")]
    [True, False, False, False, False, False, False]
    """
    path = PurePosixPath(name)
    return (
        bool(path.parts)
        and ".." not in path.parts
        and not path.is_absolute()
        and "\\" not in name
        and str(path) == name
    )


def write_whole(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file beside its place and rename it: a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        with named_when_full(path.parent), partial.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below a folder, in order; a symbolic link is passed over: it leads elsewhere."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (
            path
            for name in sorted(names)
            if (path := Path(parent, name)).is_file() and not path.is_symlink()
        )


def digest_of(path: Path) -> str:
    """sha256 of a file."""
    digest = sha256()
    for chunk in file_chunks(path):
        digest.update(chunk)
    return digest.hexdigest()
