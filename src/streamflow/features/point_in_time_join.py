"""The point-in-time join in polars, as pure functions over frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import polars as pl

# Columns of the frame of entities: position, instant, known_at of the row.
ROW = "__row"
INSTANT = "__instant"
ROW_KNOWN_AT = "__known"

# Columns of a history: as_of, and from when until when the row was the newest known.
AS_OF = "__as_of"
KNOWN_SINCE = "__since"
KNOWN_UNTIL = "__until"


def point_in_time_join(
    entities: pl.DataFrame,
    history: pl.DataFrame,
    *,
    keys: Sequence[str],
    ttl: timedelta | None,
) -> pl.DataFrame:
    """Give each entity row the newest history row at its instant, as known at its known_at.

    Args:
        entities: (n, ·) the keys, INSTANT and, if the history has KNOWN_SINCE and KNOWN_UNTIL,
            ROW_KNOWN_AT. Only keys may be missing.
        history: (m, ·) the keys, AS_OF and the features. With KNOWN_SINCE and KNOWN_UNTIL a row is
            valid for KNOWN_SINCE <= known_at < KNOWN_UNTIL, where a null KNOWN_UNTIL has no end.
            At each known_at there is at most one row per key and AS_OF.
        keys: names of the key columns, equal in both frames. Without any, all rows are about the
            same thing.
        ttl: the largest age of a row, boundary included. None: any age.

    Returns:
        (n, ·) the features, in the order of `entities`. They are null where no row is known, or the
        newest one is older than `ttl`.
    """
    not_features = {*keys, AS_OF, KNOWN_SINCE, KNOWN_UNTIL}
    features = [column for column in history.columns if column not in not_features]
    numbered = entities.with_row_index(ROW)
    joined = [
        entity_rows.sort(INSTANT).join_asof(
            history_rows.select(*keys, AS_OF, *features).sort(AS_OF),
            left_on=INSTANT,
            right_on=AS_OF,
            by=list(keys) or None,
            strategy="backward",
            tolerance=ttl,
            # polars cannot check this together with `by`; both frames are sorted above.
            check_sortedness=False,
        )
        for entity_rows, history_rows in _split_by_knowledge(numbered, history)
    ]
    return pl.concat(joined).sort(ROW).select(features)


def _split_by_knowledge(
    entities: pl.DataFrame,
    history: pl.DataFrame,
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield groups of entity rows with the history rows that are known to all rows of the group.

    There are as many groups as different states of knowledge.
    """
    if KNOWN_SINCE not in history.columns or entities.is_empty():
        yield entities, history
        return
    all_changes = pl.concat([history[KNOWN_SINCE], history[KNOWN_UNTIL]])
    changes = all_changes.drop_nulls().unique().sort()
    with_state = entities.with_columns(
        changes.search_sorted(entities[ROW_KNOWN_AT], side="right").alias("__state")
    )
    for group in with_state.partition_by("__state", include_key=False, maintain_order=True):
        known_at = group[ROW_KNOWN_AT][0]  # every known_at of one state sees the same rows
        has_begun = pl.col(KNOWN_SINCE) <= known_at
        has_not_ended = pl.col(KNOWN_UNTIL).is_null() | (pl.col(KNOWN_UNTIL) > known_at)
        yield group, history.filter(has_begun & has_not_ended)
