"""Drops in an object store, or at a file:// address: their files are copied into a folder.

A table is a file, or a folder of Parquet files as Spark writes them: `users.parquet/part-0.parquet`
or `users/part-0.parquet`. The files of such a folder become one, in the order of their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from streamflow.errors import ContractViolation

# A path that was an address: pathlib keeps one of the two slashes.
ADDRESS = re.compile(r"^(s3|file):/+(.*)$", re.DOTALL)
PARQUET_END = ".parquet"
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class CopiedFile:
    """A file of a drop, with the sha256 of its bytes where it lies."""

    name: str
    size: int
    sha256: str


def find_address(folder: Path) -> str | None:
    """Return the address that a path stands for; None: it is a path of this machine.

    >>> find_address(Path("s3://bucket/month_000")), find_address(Path("month_000"))
    ('s3://bucket/month_000', None)
    """
    match = ADDRESS.match(str(folder))
    if match is None:
        return None
    scheme, path = match.groups()
    return f"s3://{path}" if scheme == "s3" else f"file:///{path}"


def refuse_credentials(address: str) -> None:
    """Raise ContractViolation, without the address, when it names a user or a password."""
    bucket = address.partition("://")[2].partition("/")[0]
    if "@" in bucket or ":" in bucket:
        raise ContractViolation(
            "the address of the drop names a user or a password",
            remedy="Name the bucket and the folder, and set AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY.",
        )


def copy_drop(address: str, folder: Path, store_options: Mapping[str, str]) -> list[CopiedFile]:
    """Copy the files of a drop into a folder, and return them by name.

    Args:
        address: where the drop lies, without files of different drops.
        folder: an empty folder of this machine.
        store_options: the region and the address of the object store, as PyIceberg names them.

    Raises:
        ContractViolation: there are no files, or the place cannot be read.
    """
    scheme, _, path = address.partition("://")
    with _naming(address):
        file_system = _open_store(scheme, store_options)
        root = path.rstrip("/")
        infos = file_system.get_file_info(pafs.FileSelector(root, recursive=True))
        paths = sorted(info.path for info in infos if info.is_file)
        if not paths:
            raise ContractViolation(f"{address}: no files", remedy="Check the address of the drop.")
        return list(_copy_tables(file_system, root, paths, folder))


def _open_store(scheme: str, store_options: Mapping[str, str]) -> pafs.FileSystem:
    if scheme == "file":
        return pafs.LocalFileSystem()
    return pafs.S3FileSystem(
        region=store_options.get("s3.region"), endpoint_override=store_options.get("s3.endpoint")
    )


def _copy_tables(
    file_system: pafs.FileSystem,
    root: str,
    paths: Sequence[str],
    folder: Path,
) -> Iterator[CopiedFile]:
    """Copy each file of the drop, and make one file of the files of each table's folder."""
    paths_of_tables: dict[str, list[str]] = {}
    for path in paths:
        name, *below = path[len(root) :].strip("/").split("/")
        if not below:
            yield _copy_file(file_system, path, folder / name)
        elif path.endswith(PARQUET_END) and not any(map(_is_hidden, [name, *below])):
            paths_of_tables.setdefault(name, []).append(path)
    for name, part_paths in paths_of_tables.items():
        target = folder / (name.removesuffix(PARQUET_END) + PARQUET_END)
        if target.exists():
            raise ContractViolation(
                f"the drop has {target.name} twice",
                remedy=f"Leave one: a file, a folder {target.stem} or a folder {target.name}.",
            )
        yield _merge_parts(file_system, part_paths, target)


def _is_hidden(name: str) -> bool:
    """Return whether Spark does not read a file or folder: a task that failed may have left it."""
    return name.startswith(("_", "."))


def _copy_file(file_system: pafs.FileSystem, path: str, target: Path) -> CopiedFile:
    digest = sha256()
    with file_system.open_input_stream(path) as source, target.open("xb") as file:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
    return CopiedFile(name=target.name, size=target.stat().st_size, sha256=digest.hexdigest())


def _merge_parts(file_system: pafs.FileSystem, paths: Sequence[str], target: Path) -> CopiedFile:
    """Write the rows of some Parquet files into one file, a row group at a time."""
    digest = sha256()
    writer: pq.ParquetWriter | None = None
    for path in paths:
        copied_part = target.with_name(f".{target.name}.part")
        digest.update(_copy_file(file_system, path, copied_part).sha256.encode())
        with pq.ParquetFile(copied_part) as file:
            writer = writer or pq.ParquetWriter(target, file.schema_arrow)
            for batch in file.iter_batches():
                writer.write_batch(batch)
        copied_part.unlink()
    assert writer is not None
    writer.close()
    return CopiedFile(name=target.name, size=target.stat().st_size, sha256=digest.hexdigest())


@contextmanager
def _naming(address: str) -> Iterator[None]:
    """Raise ContractViolation with the address for errors of Arrow and of the file system."""
    try:
        yield
    except (OSError, pa.ArrowException, ValueError) as exc:
        raise ContractViolation(
            f"{address}: the drop cannot be read: {exc}",
            remedy="Check the address and the variables AWS_*, and run the command again.",
        ) from exc
