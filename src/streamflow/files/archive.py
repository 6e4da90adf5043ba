"""A backup or an export as one ZIP file.

It is written to a partial file first and then renamed. Every byte is checked when it is read.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Generic, Protocol, TypeVar
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from streamflow.core.versions.manifest import Member
from streamflow.errors import BackupDamaged
from streamflow.files.archive_limits import check_sizes, read_bounded, read_text_member
from streamflow.files.disk_space import naming_full_disk
from streamflow.files.partial_files import open_partial, sync_folder
from streamflow.files.text_files import refuse_existing
from streamflow.files.zip_errors import ZIP_ERRORS

CHUNK = 1 << 20  # bytes read at a time


class ArchiveWriter:
    """Writes files into an archive, and keeps the size and the digest of each for the manifest."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self.members: dict[str, Member] = {}

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write one file into the archive, a chunk at a time."""
        digest = sha256()
        size = 0
        with self._archive.open(_member_info(name), "w", force_zip64=True) as file:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
        self.members[name] = Member(sha256=digest.hexdigest(), bytes=size)

    def finish(self, name: str, manifest: bytes) -> None:
        """Write the manifest, which names every file that was added. It comes last."""
        with self._archive.open(_member_info(name), "w") as file:
            file.write(manifest)


def _member_info(name: str) -> ZipInfo:
    """Describe a member: a compressed regular file that only its owner can read."""
    info = ZipInfo(name)
    info.compress_type = ZIP_DEFLATED
    info.external_attr = (stat.S_IFREG | 0o600) << 16
    return info


@contextmanager
def open_for_writing(path: Path, *, replace: bool) -> Iterator[ArchiveWriter]:
    """Write an archive to `path`. At the end it is there completely, or not at all.

    Only you can read it.

    Args:
        replace: Replace a file that exists.

    Raises:
        StreamflowError: There is a file already, and `replace` is not set.
        DiskFull: There is no space left.
    """
    if not replace:
        refuse_existing(path)
    partial = path.with_name(f"{path.name}.partial")
    descriptor = open_partial(partial)
    try:
        with naming_full_disk(path.parent), os.fdopen(descriptor, "w+b") as file:
            with ZipFile(file, "w", compresslevel=1) as archive:
                yield ArchiveWriter(archive)
            file.flush()
            os.fsync(file.fileno())
            if not replace:
                refuse_existing(path)
            partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_chunks(path: Path) -> Iterator[bytes]:
    """Read the bytes of a file, a chunk at a time."""
    with path.open("rb") as file:
        yield from read_open_file(file)


def read_open_file(file: BinaryIO) -> Iterator[bytes]:
    """Read the rest of an open file, a chunk at a time."""
    while chunk := file.read(CHUNK):
        yield chunk


class HasMembers(Protocol):
    """The part of a manifest that reading an archive needs."""

    @property
    def members(self) -> Mapping[str, Member]:
        """The files by name; all but the manifest itself."""


M = TypeVar("M", bound=HasMembers)


@dataclass(frozen=True, kw_only=True)
class ArchiveKind(Generic[M]):
    """One kind of archive that can be read.

    Attributes:
        noun: What people call it.
        command: The command that writes it.
        manifest: The name of its manifest.
        parse: Reads the manifest from its bytes.
    """

    noun: str
    command: str
    manifest: str
    parse: Callable[[bytes], M]


class ArchiveReader(Generic[M]):
    """Reads an archive whose manifest has been read.

    Everything that it returns is what the manifest names; if not, it raises BackupDamaged.
    """

    def __init__(self, archive: ZipFile, manifest: M) -> None:
        self._archive = archive
        self.manifest = manifest

    def chunks(self, name: str) -> Iterator[bytes]:
        """Read the bytes of one file, a chunk at a time.

        Raises:
            BackupDamaged: The file is damaged. This is raised after the last chunk at the latest.
        """
        member = self.manifest.members[name]
        digest = sha256()
        size = 0
        with _name_damage(name, "the file is damaged"), self._archive.open(name) as file:
            for chunk in read_bounded(file, name, member.bytes, CHUNK):
                digest.update(chunk)
                size += len(chunk)
                yield chunk
        if digest.hexdigest() != member.sha256:
            raise BackupDamaged(
                f"{name}: it has the digest {digest.hexdigest()}, the manifest says {member.sha256}"
            )
        if size != member.bytes:
            raise BackupDamaged(
                f"{name}: it has {size:,} bytes, the manifest says {member.bytes:,}"
            )


@contextmanager
def open_for_reading(path: Path, kind: ArchiveKind[M]) -> Iterator[ArchiveReader[M]]:
    """Open an archive of this kind for reading.

    Raises:
        BackupDamaged: The file is not such an archive, or it holds files that its manifest does
            not name.
    """
    try:
        archive = ZipFile(path)
    except OSError as exc:
        raise BackupDamaged(
            f"{path}: {exc.strerror}",
            remedy=f"Name a file that '{kind.command}' wrote.",
        ) from exc
    except ZIP_ERRORS as exc:
        raise BackupDamaged(f"{path}: {exc}") from exc
    article = "an" if kind.noun[0] in "aeiou" else "a"
    with archive:
        with _name_damage(kind.manifest, f"this is not {article} {kind.noun} of streamflow"):
            text = read_text_member(archive, kind.manifest)
        manifest = kind.parse(text)
        _check_names(archive, kind.manifest, manifest.members)
        check_sizes(archive, manifest.members)
        yield ArchiveReader(archive, manifest)


@contextmanager
def _name_damage(name: str, missing: str) -> Iterator[None]:
    """Turn an error of reading a member into BackupDamaged.

    Args:
        name: The name of the member, for the message.
        missing: What it means when the archive has no such member.
    """
    try:
        yield
    except KeyError as exc:
        raise BackupDamaged(f"{name} is missing: {missing}") from exc
    except ZIP_ERRORS as exc:
        raise BackupDamaged(f"{name}: {exc}") from exc


def _check_names(archive: ZipFile, manifest_name: str, members: Mapping[str, Member]) -> None:
    """Check that the archive has exactly the files that its manifest names, each of them once.

    No name may lead out of the folder that the file is written to, and no member may be a
    symbolic link.

    Raises:
        BackupDamaged: This is not so.
    """
    infos = archive.infolist()
    names = [info.filename for info in infos]
    unsafe = sorted(name for name in {*names, *members} if not is_safe(name))
    unsafe += [info.filename for info in infos if not _is_regular_file(info)]
    if unsafe:
        raise BackupDamaged(f"{unsafe[0]!r} is not a name that streamflow gives to a file")
    expected = [*members, manifest_name]
    if sorted(names) != sorted(expected):
        one_sided = sorted(set(names) ^ set(expected))
        repeated = sorted(name for name, count in Counter(names).items() if count > 1)
        problem = (one_sided or repeated)[0]
        raise BackupDamaged(f"{problem!r} is not exactly once both in the file and in its manifest")


def _is_regular_file(info: ZipInfo) -> bool:
    """Return whether a member is a regular file; 0 means that its type was not recorded."""
    return stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)


def is_safe(name: str) -> bool:
    r"""Return whether a name stays below the folder that it is written to.

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


def write_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file under a partial name and rename it: a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        with naming_full_disk(path.parent), partial.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def files_below(folder: Path) -> Iterator[Path]:
    """List every file below a folder, in order.

    Symbolic links are passed over, because they lead out of the folder.
    """
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path


def compute_digest(path: Path) -> str:
    """Compute the SHA-256 digest of a file, in hexadecimal."""
    digest = sha256()
    for chunk in read_chunks(path):
        digest.update(chunk)
    return digest.hexdigest()
