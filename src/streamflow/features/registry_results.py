"""What an apply changed in Feast's registry, and how the registry differs from the files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AppliedObjects:
    """What an apply made of Feast's registry.

    Attributes:
        own_objects: Kind and name of each object of the owner.
        removed: Kind and name of each object that was removed.
    """

    own_objects: list[str]
    removed: list[str]


@dataclass(frozen=True, kw_only=True)
class RegistryComparison:
    """How Feast's registry differs from the definitions.

    Attributes:
        misfits: Each object that it lacks or defines differently; empty: none.
        own_objects: Kind and name of each object of the owner.
    """

    misfits: list[str]
    own_objects: list[str]
