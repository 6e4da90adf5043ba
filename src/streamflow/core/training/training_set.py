"""The training set: features and labels of the keys of one drop, with the names of all that they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.digest import TableDigest, digest_frame


def revision_in_words(table: str, as_of: datetime, revision: int) -> str:
    """Which revision it is.

    >>> revision_in_words("users", datetime(2024, 1, 31), 2)
    'users of 2024-01-31, revision 2'
    """
    return f"{table} of {as_of:%Y-%m-%d}, revision {revision}"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A revision that a training set was read from.

    columns    column -> digest of its content
    file       the file of the drop that it was frozen from, with the sha256 of its bytes; empty where there was none
    """

    table: str
    as_of: datetime
    revision: int
    known_at: datetime
    rows: int
    digest: str
    columns: Mapping[str, str]
    file: str = ""
    file_sha256: str = ""

    @property
    def place(self) -> tuple[str, datetime, int]:
        """What names it in this installation."""
        return self.table, self.as_of, self.revision

    def __str__(self) -> str:
        """In words."""
        return revision_in_words(*self.place)


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Rows ordered by key.

    frame     (n, ·)  the key, the features in their order, the label
    without_label     keys of the drop that the label drop says nothing about; they are no rows here
    """

    frame: pl.DataFrame
    key: str
    features: tuple[str, ...]
    label: str
    types: Mapping[str, str]
    as_of: datetime
    label_as_of: datetime
    label_lead: int
    known_at: datetime
    sources: tuple[Source, ...]
    without_label: int

    @cached_property
    def content(self) -> TableDigest:
        """The digest of the whole frame, with that of each column."""
        return digest_frame(self.frame, key=self.key, types=self.types)

    @cached_property
    def digest(self) -> str:
        """The digest of the whole frame: the same for the same content."""
        return self.content.value

    @property
    def matrix(self) -> pl.DataFrame:
        """The features alone, in their order. (n, features)"""
        return self.frame.select(self.features)

    @property
    def labels(self) -> NDArray[np.int8]:
        """1 where the label is true. (n,)"""
        return self.frame[self.label].cast(pl.Int8).to_numpy()


def label_as_of(as_of: datetime, lead: int, drops: Sequence[datetime]) -> datetime | None:
    """The drop that dates the label: `as_of` itself, or the `lead`-th drop after it; None when there is none yet.

    >>> label_as_of(1, 1, [0, 1, 2]), label_as_of(2, 1, [0, 1, 2])
    (2, None)
    """
    if lead == 0:
        return as_of
    later = sorted(d for d in drops if d > as_of)
    return later[lead - 1] if len(later) >= lead else None
