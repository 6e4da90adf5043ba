"""A drop that lies in an object store, as a folder of this machine for as long as it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from streamflow.core.data.counts import count_of
from streamflow.errors import StreamflowError
from streamflow.files.remote_drops import copy_drop, find_address, refuse_credentials
from streamflow.files.scratch_folders import open_scratch_folder
from streamflow.settings import object_store_options


@contextmanager
def local_folder(
    folder: Path,
    space: Path | None,
    notify: Callable[[str], None] = lambda _: None,
) -> Iterator[Path]:
    """Yield the folder of a drop; first copy its files if it is an address such as s3://….

    Errors name the address, and not the copy.

    Args:
        folder: a folder of this machine, or an address.
        space: the folder in which the copy is made; None: that of the system.
        notify: called with a line for each copied file, with its digest.
    """
    address = find_address(folder)
    if address is None:
        yield folder
        return
    refuse_credentials(address)
    scratch: AbstractContextManager[str | Path] = (
        TemporaryDirectory() if space is None else open_scratch_folder(space)
    )
    with scratch as name:
        copy = Path(name)
        try:
            copied = copy_drop(address, copy, object_store_options())
            notify(f"copied {count_of(len(copied), 'file')} from {address}")
            for file in copied:
                notify(f"  {file.name}: {file.size:,} bytes, sha256 {file.sha256}")
            yield copy
        except StreamflowError as exc:
            _name_address(exc, copy, address)
            raise


@contextmanager
def local_sources(
    sources: Sequence[Path],
    notify: Callable[[str], None] = lambda _: None,
) -> Iterator[Sequence[Path]]:
    """Yield the sources of a new catalog; a single address becomes the folder of its copy."""
    if len(sources) != 1:
        yield sources
        return
    with local_folder(sources[0], None, notify) as folder:
        yield [folder]


def _name_address(error: StreamflowError, copy: Path, address: str) -> None:
    """Write the address where an error names the copy, by its path or by its name."""

    def name(text: str) -> str:
        return text.replace(str(copy), address).replace(copy.name, address)

    error.message = name(error.message)
    error.args = (error.message,)
    violations = error.facts.get("violations")
    if isinstance(violations, list):
        error.facts["violations"] = [
            name(line) if isinstance(line, str) else line for line in violations
        ]
