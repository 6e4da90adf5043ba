"""The certificate of a training set: what the temporal proof checked and found, without a key; a part of the passport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.difference import Difference
from streamflow.core.training.split import position

SAMPLE = 1_000_000  # cells: of a larger set a sample of keys is checked, unless all are asked for
SALT = "temporal proof"  # not the split's: its smallest hashes are the hold-out side, and no other key would be checked


@dataclass(frozen=True, kw_only=True)
class Part:
    """What was derived of one view, of the population or of the labels.

    as_of      the newest instant of a row that belongs into the set; None where no key has one
    known_at   the newest instant at which such a row was learned
    digest     over each key's cells with the as_of and known_at of the row that they come from
    """

    name: str
    as_of: datetime | None
    known_at: datetime | None
    digest: str


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What the proof covered and found. `engine` is for information: another pandas has to find the same.

    cells, checked   rows x (features and label) of the set, and of the keys that were checked
    sampled          whether those are a sample
    violations       how many cells are not what belongs there, and keys that do not belong there or lack
    """

    engine: str
    rows: int
    cells: int
    checked: int
    sampled: bool
    violations: int
    parts: tuple[Part, ...]

    @property
    def digest(self) -> str:
        """sha256 over the digests of the parts, by name."""
        total = sha256(b"streamflow certificate 1\n")
        for part in sorted(self.parts, key=lambda p: p.name):
            total.update(f"{part.name}\0{part.digest}\n".encode())
        return total.hexdigest()

    @property
    def values(self) -> dict[str, Any]:
        """In plain values, as a passport holds it."""
        instants = [
            {**asdict(p), "as_of": _text(p.as_of), "known_at": _text(p.known_at)}
            for p in self.parts
        ]
        return {**asdict(self), "parts": instants, "digest": self.digest}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def differences(recorded: Mapping[str, Any], now: Certificate) -> tuple[Difference, ...]:
    """In what a certificate is not the recorded one, as far as both covered the same: see `comparable`."""
    if not recorded:
        return (
            Difference(
                what="certificate",
                recorded=None,
                now=now.digest[:16],
                note="trained before there were certificates",
            ),
        )
    found = now.values
    facts = ["rows", "cells", "violations"] + (
        ["checked", "digest"] if comparable(recorded, now) else []
    )
    before, after = ({name: side[name] for name in facts} for side in (recorded, found))
    if comparable(recorded, now):
        before |= _facts(recorded["parts"])
        after |= _facts(found["parts"])
    return tuple(
        Difference(
            what=name, recorded=_shown(name, before.get(name)), now=_shown(name, after.get(name))
        )
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    )


def comparable(recorded: Mapping[str, Any], now: Certificate) -> bool:
    """Whether both covered the same keys; of a sample and a whole only rows, cells and violations can be compared."""
    return bool(recorded) and recorded["sampled"] == now.sampled


def _facts(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"{part['name']} {what}": part[name]
        for part in parts
        for name, what in (
            ("as_of", "newest as_of"),
            ("known_at", "newest known_at"),
            ("digest", "digest"),
        )
    }


def _shown(name: str, value: object) -> str | None:
    """As a person reads it: of a digest the beginning is enough."""
    if value is None:
        return None
    return str(value)[:16] if name.endswith("digest") else str(value)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which keys are checked: all, or those whose hash is up to `limit`. It says so of a key that the set lacks, too."""

    limit: int | None = None

    def holds(self, keys: pl.Series) -> NDArray[np.bool_]:
        """Whether each key is checked; shape (n,)."""
        if self.limit is None:
            return np.ones(len(keys), dtype=bool)
        return position(keys, salt=SALT) <= np.uint64(self.limit)


def scope_of(keys: pl.Series, *, width: int, full: bool, sample: int = SAMPLE) -> Scope:
    """The keys to check of a set with `width` cells per key: all, or those with the smallest hashes that make `sample` cells.

    >>> scope_of(pl.Series(["a", "b", "c"]), width=2, full=False, sample=4).holds(pl.Series(["a", "b", "c"])).sum()
    np.int64(2)
    """
    if full or len(keys) * width <= sample:
        return Scope()
    count = max(sample // width, 1)
    return Scope(limit=int(np.partition(position(keys, salt=SALT), count - 1)[count - 1]))
