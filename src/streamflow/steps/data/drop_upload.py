"""Put a drop into the inbox file by file, as it arrives. It is seen there whole or not at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from io import BufferedWriter
from pathlib import Path
from shutil import rmtree

from streamflow.catalog import Catalog
from streamflow.errors import ContractViolation, StreamflowError
from streamflow.files.drop_folders import DATE_FILE
from streamflow.platform import Platform
from streamflow.receipt import Receipt
from streamflow.steps.data.inbox import PARTIAL, inbox_folder

NOTHING_UPLOADED = "Nothing was put into the inbox."
AGAIN = "Open the form again and choose the files of the drop."


@dataclass(frozen=True, kw_only=True)
class UploadedFile:
    """A file that was put into the inbox."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class UploadReceipt(Receipt):
    """The folder that was put into the inbox, and its files."""

    folder: str
    as_of: date
    files: tuple[UploadedFile, ...]


class DropUpload:
    """A drop that is being written into the inbox, under a name that the inbox leaves alone.

    Args:
        platform: the open platform
        name: a name that no folder of the inbox has

    Raises:
        SettingsInvalid: the setting 'inbox' is empty, or its folder does not exist
    """

    def __init__(self, platform: Platform, name: str) -> None:
        self._catalog: Catalog = platform.catalog
        self._root: Path = inbox_folder(platform.settings)
        self._name = name
        self._partial = self._root / f".{name}{PARTIAL[0]}"
        self._files: list[UploadedFile] = []
        self._open: BufferedWriter | None = None
        self._hash = sha256()
        self._size = 0

    def begin_file(self, name: str) -> None:
        """Begin a file of the drop.

        Raises:
            ContractViolation: the catalog declares no such file, or it was sent before
            StreamflowError: the inbox cannot be written
        """
        expected = sorted({self._catalog.file(table) for table in self._catalog.frozen_tables})
        if name not in expected:
            names = ", ".join(expected)
            raise _refuse(f"'{name}' is no file of this catalog; these are: {names}")
        if any(file.name == name for file in self._files):
            raise _refuse(f"the file '{name}' was sent twice")
        try:
            self._partial.mkdir(exist_ok=True)
            self._open = (self._partial / name).open("wb")
        except OSError as exc:
            raise _not_written(self._root, exc) from exc
        self._hash = sha256()
        self._size = 0

    def write(self, content: bytes) -> None:
        """Take some bytes of the file.

        Raises:
            StreamflowError: the inbox cannot be written
        """
        assert self._open is not None
        try:
            self._open.write(content)
        except OSError as exc:
            raise _not_written(self._root, exc) from exc
        self._hash.update(content)
        self._size += len(content)

    def end_file(self) -> None:
        """End the file."""
        assert self._open is not None
        name = Path(self._open.name).name
        try:
            self._open.close()
        except OSError as exc:
            raise _not_written(self._root, exc) from exc
        file = UploadedFile(name=name, size=self._size, sha256=self._hash.hexdigest())
        self._files.append(file)
        self._open = None

    def finish(self, as_of: date) -> UploadReceipt:
        """Show the drop to the inbox: from now on its next run processes it.

        Raises:
            ContractViolation: no file was sent
            StreamflowError: the inbox cannot be written
        """
        if not self._files:
            raise _refuse("no file was sent")
        folder = f"{as_of:%Y-%m-%d}_{self._name}"
        try:
            text = f"as_of = {as_of:%Y-%m-%d}\n"
            (self._partial / DATE_FILE).write_text(text, encoding="utf-8")
            self._partial.rename(self._root / folder)
        except OSError as exc:
            raise _not_written(self._root, exc) from exc
        return UploadReceipt(folder=folder, as_of=as_of, files=tuple(self._files))

    def discard(self) -> None:
        """Remove what was written of a drop that is not finished."""
        if self._open is not None:
            # On a full disk the last bytes cannot be written now either.
            with suppress(OSError):
                self._open.close()
        rmtree(self._partial, ignore_errors=True)


def _refuse(message: str) -> ContractViolation:
    return ContractViolation(message, state=NOTHING_UPLOADED, remedy=AGAIN)


def _not_written(root: Path, error: OSError) -> StreamflowError:
    return StreamflowError(
        f"{root}: {error.strerror or error}",
        state=NOTHING_UPLOADED,
        remedy="Free some disk space, or let this process write into the folder.",
    )
