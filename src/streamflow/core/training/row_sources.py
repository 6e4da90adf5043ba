"""From which frozen row each cell of a training set must come, decided with pandas.

pandas works on instants as whole microseconds of UTC. Of each as_of it takes the newest revision
that was known by K, as a whole. Of the rows of these revisions it takes the newest row of the key
with as_of <= D that is not older than the ttl.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class DatedRevision(NamedTuple):
    """A revision: which content of which drop it is, and since when it is known."""

    as_of: datetime
    revision: int
    known_at: datetime


@dataclass(frozen=True, kw_only=True)
class Reading:
    """From which frozen rows a group of columns may be read.

    Attributes:
        name: The view, or the table.
        types: Each column and its logical type. Empty where only the key has to exist.
        as_of: The instant D that the training set describes.
        known_at: The instant K: what became known later does not count.
        ttl: How old a row may be; exactly this old is allowed. Zero: the row is of exactly as_of.
    """

    name: str
    table: str
    types: Mapping[str, str]
    as_of: datetime
    known_at: datetime
    ttl: timedelta


def microseconds(instant: datetime) -> int:
    """Return the microseconds since 1970 in UTC, from an instant in any time zone.

    Raises:
        TypeError: The instant has no time zone.

    >>> microseconds(datetime.fromisoformat("1970-01-01T01:00:00+01:00"))
    0
    """
    return (instant - EPOCH) // MICROSECOND


def admissible_revisions(
    revisions: Iterable[DatedRevision],
    reading: Reading,
) -> list[DatedRevision]:
    """Return the revisions that a row may come from.

    Of each as_of this is the newest revision known by K, where as_of is in [D - ttl, D].
    """
    import pandas as pd

    candidates = list(revisions)
    frame = pd.DataFrame({
        "as_of": pd.Series([microseconds(r.as_of) for r in candidates], dtype="int64"),
        "known_at": pd.Series([microseconds(r.known_at) for r in candidates], dtype="int64"),
        "revision": pd.Series([r.revision for r in candidates], dtype="int64"),
    })  # fmt: skip
    newest_as_of = microseconds(reading.as_of)
    oldest_as_of = newest_as_of - reading.ttl // MICROSECOND
    known_by_k = frame[frame["known_at"] <= microseconds(reading.known_at)]
    newest = known_by_k.sort_values("revision").drop_duplicates("as_of", keep="last")
    inside = newest[newest["as_of"].between(oldest_as_of, newest_as_of)]
    return [candidates[int(index)] for index in sorted(inside.index)]


def find_sources(
    keys: pl.Series,
    rows: pl.DataFrame,
    revisions: Iterable[DatedRevision],
    reading: Reading,
) -> NDArray[np.int64]:
    """Find for each key the frozen row that its cells must come from.

    Args:
        keys: The keys, (n,).
        rows: Frozen rows of these keys, and perhaps of more keys, (m, ·): the column of the key,
            as_of, revision.
        revisions: Every revision of the table. Those in which a key is absent are part of them.
        reading: Which rows are allowed.

    Returns:
        The number of the row for each key, -1 where the key has none, (n,).
    """
    import pandas as pd

    allowed_revisions = admissible_revisions(revisions, reading)
    allowed = pd.DataFrame({
        "as_of": pd.Series([microseconds(r.as_of) for r in allowed_revisions], dtype="int64"),
        "revision": pd.Series([r.revision for r in allowed_revisions], dtype="int64"),
    })  # fmt: skip
    key_index = pd.Index(keys.to_numpy())
    row_keys = pd.Index(rows[keys.name].to_numpy())
    row_revisions = rows["revision"].to_numpy()
    candidates = pd.DataFrame({
        "key_number": key_index.get_indexer(row_keys),
        "as_of": rows["as_of"].dt.epoch("us").to_numpy(),
        "revision": row_revisions.astype(np.int64),
        "row_number": np.arange(len(rows)),
    })  # fmt: skip
    requested = candidates[candidates["key_number"] >= 0]
    readable = requested.merge(allowed, on=["as_of", "revision"])
    by_date = readable.sort_values("as_of")
    newest = by_date.drop_duplicates("key_number", keep="last")
    row_numbers = np.full(len(keys), -1, dtype=np.int64)
    key_numbers = newest["key_number"].to_numpy()
    row_numbers[key_numbers] = newest["row_number"].to_numpy()
    return row_numbers


def missing_keys(keys: pl.Series, population: pl.Series, labelled: pl.Series) -> list[str | int]:
    """Return the keys that belong into the set and are missing from it, in order.

    Args:
        keys: The keys of the set.
        population: The keys of the population.
        labelled: The keys that have a label. A key in both belongs into the set.
    """
    import pandas as pd

    people = pd.Index(population.to_numpy())
    with_label = pd.Index(labelled.to_numpy())
    in_the_set = pd.Index(keys.to_numpy())
    belonging = people.intersection(with_label, sort=False)
    missing = belonging.difference(in_the_set, sort=False)
    return sorted(missing.tolist())
