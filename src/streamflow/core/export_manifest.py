"""The manifest of an exported version: which version it was, and the frozen revisions that come with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from streamflow.core.digest import ColumnDigest
from streamflow.core.manifest import Member
from streamflow.errors import BackupDamaged, ImportRefused

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

    @property
    def place(self) -> str:
        """Which one it is, in words."""
        return f"{self.table} of {self.as_of:%Y-%m-%d}, revision {self.revision}"


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


@dataclass(frozen=True, kw_only=True)
class _Head:
    """What every format has."""

    format: int
    streamflow: str


def to_json(manifest: ExportManifest) -> bytes:
    """The manifest as text."""
    return TypeAdapter(ExportManifest).dump_json(manifest, indent=1)


def from_json(text: bytes) -> ExportManifest:
    """Read a manifest. Raises BackupDamaged, or ImportRefused when a newer streamflow wrote it."""
    try:
        head = TypeAdapter(_Head).validate_json(text)
        if head.format > FORMAT:
            raise ImportRefused(
                f"this export is of format {head.format}, written by streamflow {head.streamflow}; this code reads {FORMAT}",
                remedy="Import it with that version.",
            )
        return TypeAdapter(ExportManifest).validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        raise BackupDamaged(f"{NAME}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from exc
