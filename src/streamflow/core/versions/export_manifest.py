"""The manifest of an exported version: which version it was, and the frozen revisions that come with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pydantic import TypeAdapter

from streamflow.core.data.digest import ColumnDigest
from streamflow.core.training.training_set import revision_in_words
from streamflow.core.versions.backup_manifest import Member, parsed
from streamflow.errors import ImportRefused

FORMAT = 1
NAME = "export.json"
PASSPORT, RUN, CATALOG = "passport.json", "run.json", "catalog.toml"
MODEL, FILES, FROZEN = "model/", "files/", "frozen/"


@dataclass(frozen=True, kw_only=True)
class ExportedColumn:
    """One column of a revision, with the digests of its buckets in hexadecimal."""

    name: str
    type: str
    buckets: str

    @property
    def digest(self) -> ColumnDigest:
        """The same as the warehouse has it."""
        return ColumnDigest(name=self.name, type=self.type, buckets=bytes.fromhex(self.buckets))


@dataclass(frozen=True, kw_only=True)
class ExportedRevision:
    """One frozen revision. `parts` are the members that hold its rows, as Arrow IPC streams, in the order of its digest."""

    table: str
    as_of: datetime
    revision: int
    known_at: datetime
    rows: int
    digest: str
    columns: tuple[ExportedColumn, ...]
    parts: tuple[str, ...]

    @property
    def types(self) -> dict[str, str]:
        """Column -> catalog type."""
        return {column.name: column.type for column in self.columns}

    def __str__(self) -> str:
        """In words."""
        return revision_in_words(self.table, self.as_of, self.revision)


@dataclass(frozen=True, kw_only=True)
class ExportManifest:
    """All that an export says of itself. `version` and `run_id` are those of where it comes from.

    key   the entity's key, by which frozen rows are ordered for their digest
    """

    format: int
    streamflow: str
    created: datetime
    model: str
    version: int
    run_id: str
    key: str
    passport_digest: str
    revisions: tuple[ExportedRevision, ...]
    members: Mapping[str, Member]


def to_json(manifest: ExportManifest) -> bytes:
    """The manifest as text."""
    return TypeAdapter(ExportManifest).dump_json(manifest, indent=1)


def from_json(text: bytes) -> ExportManifest:
    """Read a manifest. Raises BackupDamaged, or ImportRefused when a newer streamflow wrote it."""
    remedy = "Import it with that version."
    return parsed(
        text,
        ExportManifest,
        noun="export",
        name=NAME,
        newest=FORMAT,
        newer=partial(ImportRefused, remedy=remedy),
    )
