"""The training set: features and labels of the keys of one drop, and where they were read from.

A training set of many months is the set of the newest month, with the sets of the months before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

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


class FrameReader(Protocol):
    """A frame that does not lie in memory."""

    def read(self) -> pl.DataFrame:
        """Read the frame."""


@dataclass(frozen=True, kw_only=True)
class TrainingSet(Receipt):
    """The rows that a version learns from and is measured on, ordered by key.

    All attributes except `earlier` describe the newest month. A version learns from every month,
    and is measured on the newest one.

    Attributes:
        rows: The frame, or where it is stored. `frame` gives it in both cases.
        without_label: How many keys of the drop have no label in the label drop. They have no
            row here.
        earlier: The sets of the months before, the oldest first. Each is as known at its own
            known_at. Empty for a set of one month.
    """

    rows: pl.DataFrame | FrameReader
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
    earlier: tuple[TrainingSet, ...] = ()

    @property
    def frame(self) -> pl.DataFrame:
        """Return the key, the features in their order, and the label, (n, ·).

        Rows that are stored are read at each call.
        """
        import polars as pl

        return self.rows if isinstance(self.rows, pl.DataFrame) else self.rows.read()

    @property
    def months(self) -> tuple[TrainingSet, ...]:
        """Return the set of each month, the oldest first. The newest month is this set."""
        return (*self.earlier, self)

    @property
    def row_count(self) -> int:
        """Return the number of rows of all months."""
        return sum(len(month.frame) for month in self.months)

    @property
    def all_sources(self) -> tuple[Source, ...]:
        """Return every revision that a month was read from, each one once."""
        sources = {source.revision_key: source for month in self.months for source in month.sources}
        return tuple(sources.values())

    @property
    def dated_rows(self) -> pl.DataFrame:
        """Return the rows of all months, as they are written to a file."""
        import polars as pl

        return pl.concat(self.read_dated_months())

    def read_dated_months(self) -> Iterator[pl.DataFrame]:
        """Read the rows of one month after another, as they are written to a file.

        The rows of many months begin with two more columns: as_of and known_at of the month.
        """
        import polars as pl

        if not self.earlier:
            yield self.frame
            return
        instant_type = pl.Datetime("us", "UTC")
        for month in self.months:
            yield month.frame.select(
                pl.lit(month.as_of).cast(instant_type).alias("as_of"),
                pl.lit(month.known_at).cast(instant_type).alias("known_at"),
                pl.all(),
            )

    @cached_property
    def content(self) -> TableDigest:
        """Return the digest of the frame and of each column, of the newest month alone."""
        from streamflow.core.data.digest import digest_frame

        return digest_frame(self.frame, key=self.key, types=self.types)

    @cached_property
    def digest(self) -> str:
        """Return the digest of all rows. Equal content gives an equal digest.

        That of many months covers the dates and the digest of each month: the dates decide, too,
        what is learned.
        """
        if not self.earlier:
            return self.content.value
        total = sha256(b"streamflow months 1\n")
        for month in self.months:
            dates = f"{month.as_of.isoformat()} {month.label_as_of.isoformat()}"
            total.update(f"{dates} {month.content.value}\n".encode())
        return total.hexdigest()

    @property
    def matrix(self) -> pl.DataFrame:
        """Return the features alone, in their order, (n, features)."""
        return self.frame.select(self.features)

    @property
    def labels(self) -> NDArray[np.int8]:
        """Return 1 where the label is true, else 0, (n,)."""
        import polars as pl

        return self.frame[self.label].cast(pl.Int8).to_numpy()
