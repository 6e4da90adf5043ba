"""The temporal proof: each cell of a training set derived again from frozen rows, by another engine than the one that made it.

pandas decides, on instants as whole microseconds of UTC, which frozen row each key's cells come from: of each as_of the newest
revision known by K, as a whole; of these rows the newest of the key with as_of <= D, not older than the ttl. The cells are then
compared bit by bit. Nothing of the join that made the set plays a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.digest import Digester
from streamflow.core.data.instants import day
from streamflow.core.training.certificate import Part

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
PLACE = {"as_of": "timestamp", "known_at": "timestamp"}  # of the row that a key's cells come from


class Place(NamedTuple):
    """A revision: which content of which drop, and since when it is known."""

    as_of: datetime
    revision: int
    known_at: datetime


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a group of columns may be read from.

    name     the view, or the table
    types    column -> logical type; none where only the key has to be there
    as_of    the instant that is asked for
    known_at K
    ttl      how old a row may be, boundary included; zero: of exactly as_of
    """

    name: str
    table: str
    types: Mapping[str, str]
    as_of: datetime
    known_at: datetime
    ttl: timedelta


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A cell that is not what belongs there, or a key that does not belong there or lacks.

    what              view:feature, table:label, or the table
    found, expected   the value in the set, and the one that belongs there
    as_of, known_at   of the frozen row that belongs there; None where none does
    from_as_of, from_known_at   of the frozen row that holds the wrong value; None where none does
    why               what is wrong with that row
    """

    key: str | int
    what: str
    found: object = None
    expected: object = None
    as_of: datetime | None = None
    known_at: datetime | None = None
    from_as_of: datetime | None = None
    from_known_at: datetime | None = None
    why: str

    def __str__(self) -> str:
        """One line."""
        if ":" not in self.what:
            return f"{self.key} {self.what}: {self.why}"
        origin = (
            f" ({_instants(self.as_of, self.known_at)})"
            if self.as_of
            else ", no row of it is valid there"
        )
        source = (
            f"it is that of {_instants(self.from_as_of, self.from_known_at)}, "
            if self.from_as_of
            else ""
        )
        return f"{self.key} {self.what}: {self.found!r} in the set, {self.expected!r} belongs there{origin}: {source}{self.why}"


def _instants(as_of: datetime | None, known_at: datetime | None) -> str:
    return f"as_of {day(as_of)}, known at {day(known_at)}"


def microseconds(instant: datetime) -> int:
    """Since 1970 in UTC, whatever zone it is given in. Raises TypeError when it has none.

    >>> microseconds(datetime.fromisoformat("1970-01-01T01:00:00+01:00"))
    0
    """
    return (instant - EPOCH) // MICROSECOND


def admissible(places: Iterable[Place], reading: Reading) -> list[Place]:
    """The revisions that a row may come from: of each as_of the newest one known by K, and as_of in [D - ttl, D]."""
    import pandas as pd

    found = list(places)
    frame = pd.DataFrame({
        "as_of": pd.Series([microseconds(p.as_of) for p in found], dtype="int64"),
        "known_at": pd.Series([microseconds(p.known_at) for p in found], dtype="int64"),
        "revision": pd.Series([p.revision for p in found], dtype="int64"),
    })  # fmt: skip
    last, ttl = microseconds(reading.as_of), reading.ttl // MICROSECOND
    known = frame[frame["known_at"] <= microseconds(reading.known_at)]
    newest = known.sort_values("revision").drop_duplicates("as_of", keep="last")
    return [found[int(i)] for i in sorted(newest[newest["as_of"].between(last - ttl, last)].index)]


def sources(
    keys: pl.Series, rows: pl.DataFrame, places: Iterable[Place], reading: Reading
) -> NDArray[np.int64]:
    """For each key the number of the frozen row that its cells come from, -1 where it has none. (n,)

    rows    (m, ·)  frozen rows of these keys and perhaps others: the key's column, as_of, revision
    places          every revision of the table, those included in which a key is absent
    """
    import pandas as pd

    valid = admissible(places, reading)
    seen = pd.DataFrame({
        "as_of": pd.Series([microseconds(p.as_of) for p in valid], dtype="int64"),
        "revision": pd.Series([p.revision for p in valid], dtype="int64"),
    })  # fmt: skip
    candidates = pd.DataFrame({
        "asked": pd.Index(keys.to_numpy()).get_indexer(pd.Index(rows[keys.name].to_numpy())),
        "as_of": rows["as_of"].dt.epoch("us").to_numpy(),
        "revision": rows["revision"].to_numpy().astype(np.int64),
        "number": np.arange(len(rows)),
    })  # fmt: skip
    known = candidates[candidates["asked"] >= 0].merge(seen, on=["as_of", "revision"])
    newest = known.sort_values("as_of").drop_duplicates("asked", keep="last")
    found = np.full(len(keys), -1, dtype=np.int64)
    found[newest["asked"].to_numpy()] = newest["number"].to_numpy()
    return found


def differs(found: pl.Series, expected: pl.Series, logical: str) -> NDArray[np.bool_]:
    """Where two columns are not the same bits; null equals null. (n,) Raises TypeError when they are not of one type."""
    if found.dtype != expected.dtype:
        raise TypeError(
            f"column '{found.name}' is {found.dtype} in the set and {expected.dtype} in the frozen rows"
        )
    nulls = [side.is_null().to_numpy() for side in (found, expected)]
    bits = [_bits(side, logical) for side in (found, expected)]
    return np.asarray((nulls[0] != nulls[1]) | (~nulls[0] & (bits[0] != bits[1])), dtype=bool)


def _bits(values: pl.Series, logical: str) -> NDArray[np.generic]:
    if logical == "string":
        return values.fill_null("").to_numpy()
    if logical == "float":
        return values.fill_null(0.0).to_numpy().view(np.int64)
    return values.to_physical().cast(pl.Int64).fill_null(0).to_numpy()


class Audit:
    """Takes the rows of a training set, in chunks in the order of a digest, with the frozen rows of their keys, for one reading.

    wrong   the first `limit` violations, not explained yet; `count` is the number of all
    """

    def __init__(
        self, reading: Reading, key: pl.Schema, places: Sequence[Place], *, limit: int
    ) -> None:
        [(self._key, kind)] = key.items()
        self._reading, self._places, self._limit = reading, places, limit
        types = {self._key: "string" if kind == pl.String else "int", **reading.types, **PLACE}
        self._digester = Digester(self._key, types)
        self._newest: dict[str, datetime | None] = dict.fromkeys(PLACE)
        self.count = 0
        self.wrong: list[Violation] = []

    def add(self, frame: pl.DataFrame, rows: pl.DataFrame) -> None:
        """Check the rows of `frame` (key and the columns of the reading) against frozen `rows` (also as_of, revision, known_at)."""
        keys, names = frame[self._key], list(self._reading.types)
        numbers = pl.Series(sources(keys, rows, self._places, self._reading))
        taken = rows.select(*PLACE, *names).select(pl.all().gather(numbers.replace(-1, None)))
        derived = pl.DataFrame([keys]).hstack(taken)
        self._digester.update(derived.select(self._key, *names, *PLACE))
        newest = derived.select(*PLACE).max().row(0)
        self._newest = {
            name: _later(self._newest[name], found)
            for name, found in zip(PLACE, newest, strict=True)
        }
        wrong = {
            name: differs(frame[name], derived[name], kind)
            for name, kind in self._reading.types.items()
        }
        if not names:
            wrong = {"": numbers.to_numpy() < 0}
        for name, mask in wrong.items():
            self.count += int(mask.sum())
            places = np.flatnonzero(mask)[: self._limit - len(self.wrong)]
            self.wrong += [
                self._violation(
                    name, frame.row(int(i), named=True), derived.row(int(i), named=True)
                )
                for i in places
            ]

    def _violation(
        self, name: str, found: Mapping[str, Any], derived: Mapping[str, Any]
    ) -> Violation:
        key, reading = found[self._key], self._reading
        if not name:
            return Violation(
                key=key, what=reading.name, why=f"it is not there as of {day(reading.as_of)}"
            )
        instants = {place: derived[place] for place in PLACE}
        return Violation(
            key=key,
            what=f"{reading.name}:{name}",
            found=found[name],
            expected=derived[name],
            **instants,
            why="",
        )

    @property
    def part(self) -> Part:
        """What was derived."""
        instants = {name: self._newest[name] for name in PLACE}
        return Part(name=self._reading.name, **instants, digest=self._digester.finish().value)


def _later(*instants: datetime | None) -> datetime | None:
    return max((instant for instant in instants if instant is not None), default=None)


def absent(keys: pl.Series, population: pl.Series, labelled: pl.Series) -> list[str | int]:
    """The keys of the population that have a label and are not among `keys`, in order."""
    import pandas as pd

    belong = pd.Index(population.to_numpy()).intersection(pd.Index(labelled.to_numpy()), sort=False)
    return sorted(belong.difference(pd.Index(keys.to_numpy()), sort=False).tolist())


def explained(
    violation: Violation, rows: pl.DataFrame, places: Sequence[Place], reading: Reading
) -> Violation:
    """Say which frozen row holds the wrong value, and why it may not be used.

    rows   every frozen row of the key, of all revisions: as_of, revision, known_at and the columns of the reading
    """
    column = violation.what.partition(":")[2]
    valid = {(p.as_of, p.revision) for p in admissible(places, reading)}
    logical = reading.types[column]
    wanted = pl.Series(column, [violation.found] * len(rows), dtype=rows[column].dtype)
    same = rows.filter(pl.Series(~differs(wanted, rows[column], logical)))
    reasons = sorted(_reasons(violation, same, valid, reading))
    if not reasons:
        return replace(violation, why="no frozen row of this key holds that value")
    _, _, why, as_of, known_at = reasons[0]
    return replace(violation, why=why, from_as_of=as_of, from_known_at=known_at)


def _reasons(
    violation: Violation, rows: pl.DataFrame, valid: set[tuple[datetime, int]], reading: Reading
) -> Iterator[tuple[int, int, str, datetime, datetime]]:
    """For each row that holds the value: how grave, how far back, why it may not be used, and its instants."""
    asked, k = day(reading.as_of), day(reading.known_at)
    oldest = microseconds(reading.as_of) - reading.ttl // MICROSECOND
    for as_of, revision, known_at in rows.select("as_of", "revision", "known_at").iter_rows():
        if as_of > reading.as_of:
            rank, why = 0, f"after {asked}"
        elif known_at > reading.known_at:
            rank, why = 1, f"known only after {k}"
        elif microseconds(as_of) < oldest:
            rank, why = (
                2,
                f"more than {reading.ttl.days} days before {asked}"
                if reading.ttl
                else f"not of {asked}",
            )
        elif (as_of, revision) not in valid:
            rank, why = 3, f"of revision {revision}, which a newer one had replaced by {k}"
        else:
            rank, why = 4, f"older than that of {day(violation.as_of)}"
        yield rank, -microseconds(as_of), why, as_of, known_at
