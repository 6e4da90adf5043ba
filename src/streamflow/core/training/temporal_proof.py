"""The temporal proof: derive each cell of a training set again from frozen rows.

A different engine (pandas) than the one that made the set decides which frozen row the cells of
each key come from; see `row_sources`. The cells are then compared bit by bit. The proof uses
nothing of the join that made the set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.digest import BUCKET, Digester
from streamflow.core.data.instants import format_instant
from streamflow.core.training.certificate import CertificatePart
from streamflow.core.training.row_sources import DatedRevision, Reading, find_sources
from streamflow.core.training.violations import CellViolation, differing_bits

# Of the row that the cells of a key come from.
ROW_INSTANTS = {"as_of": "timestamp", "known_at": "timestamp"}


class Audit:
    """The proof of the columns of one reading.

    It takes the rows of a training set in chunks, in the order of a digest, together with the
    frozen rows of their keys.

    Attributes:
        count: The number of all violations.
        violations: The first `limit` violations. They are not explained yet.
    """

    def __init__(
        self,
        reading: Reading,
        key: pl.Schema,
        revisions: Sequence[DatedRevision],
        *,
        limit: int,
    ) -> None:
        [(self._key, key_type)] = key.items()
        self._reading = reading
        self._revisions = revisions
        self._limit = limit
        logical_key_type = "string" if key_type == pl.String else "int"
        types = {self._key: logical_key_type, **reading.types, **ROW_INSTANTS}
        self._digester = Digester(self._key, types)
        self._newest: dict[str, datetime | None] = dict.fromkeys(ROW_INSTANTS)
        self.count = 0
        self.violations: list[CellViolation] = []

    def add(self, frame: pl.DataFrame, rows: pl.DataFrame) -> None:
        """Check a chunk of the training set.

        Args:
            frame: The key and the columns of the reading, and the column BUCKET.
            rows: The frozen rows of these keys: the key, as_of, revision, known_at and the columns
                of the reading.
        """
        keys = frame[self._key]
        names = list(self._reading.types)
        row_numbers = pl.Series(find_sources(keys, rows, self._revisions, self._reading))
        source_rows = pl.all().gather(row_numbers.replace(-1, None))
        readable = rows.select(*ROW_INSTANTS, *names)
        cells = readable.select(source_rows)
        derived = pl.DataFrame([keys]).hstack(cells)
        digested = derived.select(self._key, *names, *ROW_INSTANTS)
        self._digester.update(digested, frame[BUCKET])
        self._note_newest(derived)
        if not names:
            has_no_row = row_numbers.to_numpy() < 0
            self._note_violations("", has_no_row, frame, derived)
        for name, logical in self._reading.types.items():
            is_wrong = differing_bits(frame[name], derived[name], logical)
            self._note_violations(name, is_wrong, frame, derived)

    def _note_newest(self, derived: pl.DataFrame) -> None:
        chunk_newest = derived.select(*ROW_INSTANTS).max().row(0)
        for name, instant in zip(ROW_INSTANTS, chunk_newest, strict=True):
            self._newest[name] = _later(self._newest[name], instant)

    def _note_violations(
        self,
        name: str,
        is_wrong: NDArray[np.bool_],
        frame: pl.DataFrame,
        derived: pl.DataFrame,
    ) -> None:
        """Count the wrong rows of a column, and keep as many as the limit allows."""
        self.count += int(is_wrong.sum())
        for number in np.flatnonzero(is_wrong)[: self._limit - len(self.violations)]:
            row = int(number)
            violation = self._violation(
                name,
                frame.row(row, named=True),
                derived.row(row, named=True),
            )
            self.violations.append(violation)

    def _violation(
        self,
        name: str,
        row: Mapping[str, Any],
        derived: Mapping[str, Any],
    ) -> CellViolation:
        key = row[self._key]
        if not name:
            reason = f"the key does not exist as of {format_instant(self._reading.as_of)}"
            return CellViolation(key=key, what=self._reading.name, why=reason)
        return CellViolation(
            key=key,
            what=f"{self._reading.name}:{name}",
            found=row[name],
            expected=derived[name],
            as_of=derived["as_of"],
            known_at=derived["known_at"],
            why="",
        )

    @property
    def certificate_part(self) -> CertificatePart:
        """Return what was derived, as a part of the certificate."""
        return CertificatePart(
            name=self._reading.name,
            as_of=self._newest["as_of"],
            known_at=self._newest["known_at"],
            digest=self._digester.finish().value,
        )


def _later(*instants: datetime | None) -> datetime | None:
    return max((instant for instant in instants if instant is not None), default=None)
