"""The training set: features and labels of the keys of one drop, and where they were read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamflow.receipt import Receipt

if TYPE_CHECKING:
    import polars as pl

    from streamflow.core.data.digest import TableDigest


def describe_revision(table: str, as_of: datetime, revision: int) -> str:
    """Return the name of a revision as a person reads it.

    >>> describe_revision("users", datetime(2024, 1, 31), 2)
    'users of 2024-01-31, revision 2'
    """
    return f"{table} of {as_of:%Y-%m-%d}, revision {revision}"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A revision that a training set was read from.

    Attributes:
        columns: Each column and the digest of its content.
        file: The file of the drop that the revision was frozen from. Empty where there was none.
        file_sha256: The sha256 of that file's bytes. Empty where there was no file.
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
    def revision_key(self) -> tuple[str, datetime, int]:
        """Return what identifies the revision in this installation."""
        return self.table, self.as_of, self.revision

    def __str__(self) -> str:
        """Return the name of the revision as a person reads it."""
        return describe_revision(*self.revision_key)


@dataclass(frozen=True, kw_only=True)
class TrainingSet(Receipt):
    """The rows that a version learns from and is measured on, ordered by key.

    Attributes:
        frame: (n, ·) the key, the features in their order, the label.
        without_label: How many keys of the drop have no label in the label drop. They have no
            row here.
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
        """Return the digest of the whole frame and of each column."""
        from streamflow.core.data.digest import digest_frame

        return digest_frame(self.frame, key=self.key, types=self.types)

    @cached_property
    def digest(self) -> str:
        """Return the digest of the whole frame. Equal content gives an equal digest."""
        return self.content.value

    @property
    def matrix(self) -> pl.DataFrame:
        """Return the features alone, in their order, (n, features)."""
        return self.frame.select(self.features)

    @property
    def labels(self) -> NDArray[np.int8]:
        """Return 1 where the label is true, else 0, (n,)."""
        import polars as pl

        return self.frame[self.label].cast(pl.Int8).to_numpy()
