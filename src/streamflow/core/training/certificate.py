"""The certificate of a training set: what the temporal proof checked, and its result.

It holds no key. It is a part of the passport.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.difference import Difference
from streamflow.core.training.split import hash_position

# In cells. Of a larger set only a sample of keys is checked, unless the caller asks for all.
SAMPLED_CELLS = 1_000_000
# Not the salt of the split: the smallest hashes of that salt are the hold-out keys, so that a
# sample would never contain a key of the training side.
SALT = "temporal proof"

PART_FACTS = {
    "as_of": "newest as_of",
    "known_at": "newest known_at",
    "digest": "digest",
}


@dataclass(frozen=True, kw_only=True)
class CertificatePart:
    """What the proof derived for one view, for the population or for the labels.

    Attributes:
        as_of: The newest instant of a row that belongs into the set. None where no key has a row.
        known_at: The newest instant at which such a row became known.
        digest: Covers the cells of each key, with the as_of and known_at of the row that they
            come from.
    """

    name: str
    as_of: datetime | None
    known_at: datetime | None
    digest: str


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What the proof covered and found.

    Attributes:
        engine: For information only: a different pandas has to find the same.
        cells: Rows x (features and label) of the set.
        checked: The cells of the keys that were checked.
        sampled: Whether these keys are a sample.
        violations: How many cells have a wrong value, plus how many keys do not belong into the
            set or are missing from it.
    """

    engine: str
    rows: int
    cells: int
    checked: int
    sampled: bool
    violations: int
    parts: tuple[CertificatePart, ...]

    @property
    def digest(self) -> str:
        """Return the sha256 over the digests of the parts, ordered by name."""
        total = sha256(b"streamflow certificate 1\n")
        for entry in sorted(self.parts, key=lambda entry: entry.name):
            total.update(f"{entry.name}\0{entry.digest}\n".encode())
        return total.hexdigest()

    @property
    def values(self) -> dict[str, Any]:
        """Return the certificate as plain values, as a passport holds it."""
        part_values = [_part_values(entry) for entry in self.parts]
        return {**asdict(self), "parts": part_values, "digest": self.digest}


def _part_values(entry: CertificatePart) -> dict[str, Any]:
    instants = {
        "as_of": _isoformat(entry.as_of),
        "known_at": _isoformat(entry.known_at),
    }
    return {**asdict(entry), **instants}


def _isoformat(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def merge_certificates(months: Mapping[str, Certificate]) -> Certificate:
    """Return the certificate of all months; the name of a part says of which month it is.

    Args:
        months: The name of each month, and its certificate.
    """
    certificates = list(months.values())
    parts = [
        replace(entry, name=f"{entry.name} of {month}")
        for month, certificate in months.items()
        for entry in certificate.parts
    ]
    return Certificate(
        engine=certificates[0].engine,
        rows=sum(certificate.rows for certificate in certificates),
        cells=sum(certificate.cells for certificate in certificates),
        checked=sum(certificate.checked for certificate in certificates),
        sampled=any(certificate.sampled for certificate in certificates),
        violations=sum(certificate.violations for certificate in certificates),
        parts=tuple(parts),
    )


def certificate_differences(
    recorded: Mapping[str, Any],
    current: Certificate,
) -> tuple[Difference, ...]:
    """List the differences between a recorded certificate and a current one.

    When the two did not cover the same keys (see `are_comparable`), only the counts of rows, cells
    and violations are compared.
    """
    if not recorded:
        missing = Difference(
            what="certificate",
            recorded=None,
            now=current.digest[:16],
            note="trained before there were certificates",
        )
        return (missing,)
    compare_parts = are_comparable(recorded, current)
    recorded_facts = _facts(recorded, with_parts=compare_parts)
    current_facts = _facts(current.values, with_parts=compare_parts)
    names = dict.fromkeys([*recorded_facts, *current_facts])
    return tuple(
        Difference(
            what=name,
            recorded=_display(name, recorded_facts.get(name)),
            now=_display(name, current_facts.get(name)),
        )
        for name in names
        if recorded_facts.get(name) != current_facts.get(name)
    )


def are_comparable(recorded: Mapping[str, Any], current: Certificate) -> bool:
    """Decide whether both certificates covered the same keys.

    If one covered a sample and the other one all keys, only rows, cells and violations can be
    compared.
    """
    return bool(recorded) and recorded["sampled"] == current.sampled


def _facts(values: Mapping[str, Any], *, with_parts: bool) -> dict[str, Any]:
    """Return the facts of a certificate to compare, by the name that a person sees."""
    facts = {name: values[name] for name in ("rows", "cells", "violations")}
    if with_parts:
        facts |= {name: values[name] for name in ("checked", "digest")}
        facts |= _part_facts(values["parts"])
    return facts


def _part_facts(recorded_parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    facts = {}
    for values in recorded_parts:
        for name, title in PART_FACTS.items():
            facts[f"{values['name']} {title}"] = values[name]
    return facts


def _display(name: str, value: object) -> str | None:
    """Return a value as text for a person; the first 16 characters of a digest are enough."""
    if value is None:
        return None
    return str(value)[:16] if name.endswith("digest") else str(value)


@dataclass(frozen=True, kw_only=True)
class KeyScope:
    """Which keys are checked: all of them, or those whose hash is at most `limit`.

    It also answers for a key that is missing from the set.
    """

    limit: int | None = None

    def includes(self, keys: pl.Series) -> NDArray[np.bool_]:
        """Tell for each key whether it is checked, (n,)."""
        if self.limit is None:
            return np.ones(len(keys), dtype=bool)
        return hash_position(keys, salt=SALT) <= np.uint64(self.limit)


def choose_scope(
    keys: pl.Series,
    *,
    width: int,
    full: bool,
    sample: int = SAMPLED_CELLS,
) -> KeyScope:
    """Choose the keys that the proof checks.

    Args:
        keys: All keys of the set.
        width: The number of cells for each key.
        full: Check all keys, whatever the size of the set.
        sample: In cells. Of a larger set only the keys with the smallest hashes are checked, as
            many as make this number of cells.

    >>> keys = pl.Series(["a", "b", "c"])
    >>> choose_scope(keys, width=2, full=False, sample=4).includes(keys).sum()
    np.int64(2)
    """
    if full or len(keys) * width <= sample:
        return KeyScope()
    count = max(sample // width, 1)
    smallest_first = np.partition(hash_position(keys, salt=SALT), count - 1)
    return KeyScope(limit=int(smallest_first[count - 1]))
