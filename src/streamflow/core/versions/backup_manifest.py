"""The manifest of a backup: what is in it, and what it was made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from streamflow.errors import BackupDamaged, RestoreRefused, StreamflowError

FORMAT = 1
NAME = "manifest.json"

M = TypeVar("M")


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file within a backup."""

    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class FrozenRevision:
    """One frozen revision with its digest."""

    table: str
    as_of: datetime
    revision: int
    rows: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """One model version. `location` is where MLflow has its files, `model_digest` the sha256 of the model's; empty if not ours."""

    name: str
    version: int
    stage: str
    location: str
    model_digest: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that a backup says of itself.

    key              the entity's key, by which frozen rows are ordered for their digest
    mlflow           the version of MLflow, and of its tables
    artifact_roots   what MLflow's locations of files in this backup begin with
    roles            roles beyond our own that have rights on our tables
    members          name -> file; all but the manifest
    ours, mlflows    table -> rows, of our database and of MLflow's
    """

    format: int
    streamflow: str
    created: datetime
    postgresql: str
    schema_version: str
    catalog_digest: str
    key: str
    mlflow: tuple[str, str]
    artifact_roots: tuple[str, ...]
    roles: tuple[str, ...]
    members: Mapping[str, Member]
    ours: Mapping[str, int]
    mlflows: Mapping[str, int]
    revisions: tuple[FrozenRevision, ...]
    versions: tuple[RegisteredVersion, ...]


@dataclass(frozen=True, kw_only=True)
class _Head:
    """What every format has."""

    format: int
    streamflow: str


def to_json(manifest: Manifest) -> bytes:
    """The manifest as text."""
    return TypeAdapter(Manifest).dump_json(manifest, indent=1)


def from_json(text: bytes) -> Manifest:
    """Read a manifest. Raises BackupDamaged, or RestoreRefused when a newer streamflow wrote it."""
    remedy = "Restore it with that version."
    return parsed(
        text,
        Manifest,
        noun="backup",
        name=NAME,
        newest=FORMAT,
        newer=partial(RestoreRefused, remedy=remedy),
    )


def parsed(
    text: bytes,
    form: type[M],
    *,
    noun: str,
    name: str,
    newest: int,
    newer: Callable[[str], StreamflowError],
) -> M:
    """Read the manifest of any kind of file. Raises BackupDamaged, or what `newer` makes when a newer streamflow wrote it."""
    try:
        head = TypeAdapter(_Head).validate_json(text)
        if head.format > newest:
            raise newer(
                f"this {noun} is of format {head.format}, written by streamflow {head.streamflow}; this code reads {newest}"
            )
        return TypeAdapter(form).validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        raise BackupDamaged(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from exc
