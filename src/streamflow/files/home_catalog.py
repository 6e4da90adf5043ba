"""The catalog in force, kept in the state folder together with the path of its source.

So a command uses the catalog of the installation, also if it does not name one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streamflow.catalog import DEFAULT_PATH, Catalog, parse_catalog, read_catalog_text
from streamflow.errors import CatalogInvalid
from streamflow.files.text_files import write_text
from streamflow.settings import (
    CATALOG_SOURCE_FILE,
    SETTINGS_FILE,
    find_catalog_source,
    read_former_source,
    read_state_text,
)

COPY_FILE = "home.catalog.toml"  # the text of the catalog in force
BUILT_IN = "the built-in catalog"


@dataclass(frozen=True, kw_only=True)
class HomeCatalog:
    """A catalog, and where its text was read.

    Attributes:
        source: The absolute path of the file. None means the built-in catalog.
        copy: The copy in the state folder, if it was read because the source cannot be read.
        is_named: Whether the user named the catalog for this command.
        former_source: What the last `migrate` used, in words. Empty if the folder does not say.
        former_text: The copy in the state folder. Empty if there is none.
    """

    catalog: Catalog
    text: str
    source: Path | None
    copy: Path | None
    is_named: bool
    former_source: str
    former_text: str

    @property
    def name(self) -> str:
        """Return what messages call this catalog."""
        return _name_source(self.source)

    @property
    def is_same_source(self) -> bool:
        """Return whether the last `migrate` used the same source."""
        return self.name == self.former_source

    def list_notes(self) -> Iterator[str]:
        """Say what a user may not expect: the copy is read, or settings beside the catalog are."""
        if self.copy is not None:
            yield f"{self.name} cannot be read: its copy {self.copy} is used"
        elif self.source is not None:
            local = Path(SETTINGS_FILE)
            beside = self.source.parent / SETTINGS_FILE
            if beside.is_file() and not local.is_file():
                yield f"settings are read from {beside}"
            elif beside.is_file() and not beside.samefile(local):
                yield f"{beside} is not read: the current folder has a {SETTINGS_FILE} too"

    @property
    def replaces_former(self) -> bool:
        """Return whether it differs from the catalog in force and comes from a different source."""
        if self.is_same_source or not (self.former_source and self.former_text):
            return False
        return parse_catalog(self.former_text, origin=COPY_FILE) != self.catalog


def load_home_catalog(home: Path, named_path: Path | None) -> HomeCatalog:
    """Read the catalog that a command works with.

    Args:
        home: The state folder as an absolute path. It may be absent.
        named_path: The catalog that the user named. Without it, the source that the state folder
            remembers is read; if it cannot be read, the copy in the state folder. A folder that
            remembers nothing uses the built-in catalog.

    Raises:
        CatalogInvalid: The catalog cannot be read, or it has mistakes.
    """
    source = find_catalog_source(home, named_path)
    path = source or DEFAULT_PATH
    copy = None
    try:
        text = read_catalog_text(path)
    except CatalogInvalid:
        if named_path is not None or source is None:
            raise
        copy = path = home / COPY_FILE
        text = read_catalog_text(copy)
    return HomeCatalog(
        catalog=parse_catalog(text, origin=str(path)),
        text=text,
        source=source,
        copy=copy,
        is_named=named_path is not None,
        former_source=_name_former_source(home),
        former_text=read_state_text(home / COPY_FILE),
    )


def remember_catalog(home: Path, catalog: HomeCatalog) -> None:
    """Write a catalog and the path of its source into the state folder."""
    source = "" if catalog.source is None else str(catalog.source)
    home.mkdir(parents=True, exist_ok=True)
    write_text(home / COPY_FILE, catalog.text, replace=True)
    write_text(home / CATALOG_SOURCE_FILE, f"{source}\n", replace=True)


def refresh_copy(home: Path, catalog: HomeCatalog) -> None:
    """Copy a new text of the catalog in force. A folder that we cannot write to stays as it is."""
    is_new = catalog.is_same_source and catalog.copy is None and catalog.text != catalog.former_text
    if is_new and os.access(home, os.W_OK):
        write_text(home / COPY_FILE, catalog.text, replace=True)


def _name_former_source(home: Path) -> str:
    """Return what the last `migrate` used, in words; empty if the state folder does not say."""
    if not read_state_text(home / CATALOG_SOURCE_FILE):
        return ""
    return _name_source(read_former_source(home))


def _name_source(source: Path | None) -> str:
    return BUILT_IN if source is None else str(source)
