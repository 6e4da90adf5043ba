"""How large the parts of an archive may be, before and while they are read.

An archive that somebody else wrote can declare any size, and a small file can unpack to a large
one. Nothing larger than these limits is ever held in memory or written to a disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import IO
from zipfile import ZipFile

from streamflow.core.versions.manifest import Member
from streamflow.errors import BackupDamaged

#: Bytes of a manifest or a different text. The manifest of 20,000 files takes 4 MB.
MAX_TEXT = 64 << 20
#: All members together may be this many times larger than the archive. Ours are 2 to 20 times.
MAX_EXPANSION = 200
#: What the members of a small archive may have anyway, in bytes.
MIN_LIMIT = 64 << 20


def read_text_member(archive: ZipFile, name: str) -> bytes:
    """Read a text of an archive, such as its manifest.

    Raises:
        KeyError: There is no such member.
        BackupDamaged: It is larger than MAX_TEXT.
    """
    declared_bytes = archive.getinfo(name).file_size
    if declared_bytes > MAX_TEXT:
        raise BackupDamaged(
            f"{name}: it has {declared_bytes:,} bytes, at most {MAX_TEXT:,} are read"
        )
    with archive.open(name) as file:
        return file.read(MAX_TEXT)


def read_bounded(file: IO[bytes], name: str, limit: int, chunk_bytes: int) -> Iterator[bytes]:
    """Read a member in chunks, and stop at the first byte beyond its size in the manifest.

    Raises:
        BackupDamaged: It is larger than `limit`.
    """
    read_bytes = 0
    while chunk := file.read(chunk_bytes):
        read_bytes += len(chunk)
        if read_bytes > limit:
            raise BackupDamaged(f"{name}: it is larger than the {limit:,} bytes in the manifest")
        yield chunk


def check_sizes(archive: ZipFile, members: Mapping[str, Member]) -> None:
    """Check the declared sizes of all members before one of them is read.

    Raises:
        BackupDamaged: The archive and its manifest declare different sizes, or the members are
            much larger than the archive.
    """
    for name, member in members.items():
        declared_bytes = archive.getinfo(name).file_size
        if declared_bytes != member.bytes:
            raise BackupDamaged(
                f"{name}: it has {declared_bytes:,} bytes, the manifest says {member.bytes:,}"
            )
    total_bytes = sum(member.bytes for member in members.values())
    archive_bytes = os.fstat(archive.fp.fileno()).st_size if archive.fp else 0
    limit = max(archive_bytes * MAX_EXPANSION, MIN_LIMIT)
    if total_bytes > limit:
        raise BackupDamaged(
            f"its files have {total_bytes:,} bytes, at most {limit:,} are unpacked from"
            f" an archive of {archive_bytes:,} bytes"
        )
