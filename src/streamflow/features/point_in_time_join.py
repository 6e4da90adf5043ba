"""The point-in-time join, in polars: pure functions over frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import polars as pl

ROW, INSTANT, KNOWN = (
    "__row",
    "__instant",
    "__known",
)  # columns of the asking frame: position, event time, K
AS_OF, SINCE, UNTIL = (
    "__as_of",
    "__since",
    "__until",
)  # columns of a history: as_of, and the K for which the row holds


def point_in_time_join(
    entities: pl.DataFrame, history: pl.DataFrame, *, keys: Sequence[str], ttl: timedelta | None
) -> pl.DataFrame:
    """Give each asking row the newest row of the history at its instant, as known at its K.

    entities  (n, ·)  `keys`, INSTANT and, if the history has SINCE and UNTIL, KNOWN; no missing value but in keys
    history   (m, ·)  `keys`, AS_OF, features; with SINCE and UNTIL a row holds for SINCE <= K < UNTIL (null: for ever).
                      For one K there is one row per key and AS_OF.
    ttl               how old a row may be, boundary included; None: any age
    returns   (n, ·)  the features, in the order of `entities`; unknown or older than `ttl` -> null
    """
    features = [c for c in history.columns if c not in {*keys, AS_OF, SINCE, UNTIL}]
    asked = entities.with_row_index(ROW)
    parts = [
        part.sort(INSTANT).join_asof(
            known.select(*keys, AS_OF, *features).sort(AS_OF),
            left_on=INSTANT,
            right_on=AS_OF,
            by=list(keys),
            strategy="backward",
            tolerance=ttl,
            check_sortedness=False,  # polars cannot check it together with `by`; both sides are sorted above
        )
        for part, known in _by_knowledge(asked, history)
    ]
    return pl.concat(parts).sort(ROW).select(features)


def _by_knowledge(
    asked: pl.DataFrame, history: pl.DataFrame
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Pair the rows that see the same revisions with what they see: as many pairs as there are states of knowledge."""
    if SINCE not in history.columns or asked.is_empty():
        yield asked, history
        return
    changes = pl.concat([history[SINCE], history[UNTIL]]).drop_nulls().unique().sort()
    states = asked.with_columns(changes.search_sorted(asked[KNOWN], side="right").alias("__state"))
    for part in states.partition_by("__state", include_key=False, maintain_order=True):
        known_by = part[KNOWN][0]  # any K of one state sees the same rows
        yield (
            part,
            history.filter(
                (pl.col(SINCE) <= known_by) & (pl.col(UNTIL).is_null() | (pl.col(UNTIL) > known_by))
            ),
        )
