"""The point-in-time join in polars, as pure functions over frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import polars as pl

# Columns of the frame of entities: position, instant, known_at of the row.
ROW = "__row"
INSTANT = "__instant"
ROW_KNOWN_AT = "__known"
NEWEST = "__newest"  # the newest AS_OF that the instant allows
MERGED_KEY = "__key"  # the key of a history row, beside that of the entity row

# With so many different AS_OF the keys are joined for each of them. Drops are monthly or daily; a
# source of events has more, and is joined as of each instant.
MAX_EQUALITIES = 64

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
    joined: list[pl.DataFrame] = []
    for entity_rows, history_rows in _split_by_knowledge(numbered, history):
        readable_rows = history_rows.select(*keys, AS_OF, *features)
        joined.extend(_join_known_rows(entity_rows, readable_rows, keys, ttl))
    rows = pl.concat([joined_rows.select(ROW, *features) for joined_rows in joined])
    if not rows[ROW].is_sorted():
        rows = rows.sort(ROW)
    return rows.select(features)


def _join_known_rows(
    entities: pl.DataFrame,
    history: pl.DataFrame,
    keys: Sequence[str],
    ttl: timedelta | None,
) -> Iterator[pl.DataFrame]:
    """Yield the entity rows with their history rows, in parts.

    Most keys have a row at the newest AS_OF that their instant allows. An equality on the keys
    finds it, several times as fast as a join as of an instant. The rest is joined as of its
    instant, with the history of its keys alone.
    """
    instants = history[AS_OF].unique().sort()
    has_few_instants = 1 <= len(instants) <= MAX_EQUALITIES
    if entities.is_empty() or not keys or not has_few_instants:
        yield _join_as_of(entities, history, keys, ttl)
        return
    rows_of_instant = history.partition_by(AS_OF, as_dict=True)
    with_newest = _add_newest_instant(entities, instants, ttl)
    remainders = []
    for group in with_newest.partition_by(NEWEST, maintain_order=True):
        newest_rows = rows_of_instant.get((group[NEWEST][0],))
        if newest_rows is None:
            remainders.append(group)
            continue
        joined = _join_equal(group, newest_rows, keys)
        has_row = joined[AS_OF].is_not_null()
        if has_row.all():
            yield joined
            continue
        yield joined.filter(has_row)
        remainders.append(joined.filter(~has_row).select(group.columns))
    if remainders:
        remainder = pl.concat(remainders)
        yield _join_as_of(remainder, history.join(remainder, on=keys, how="semi"), keys, ttl)


def _add_newest_instant(
    entities: pl.DataFrame,
    instants: pl.Series,
    ttl: timedelta | None,
) -> pl.DataFrame:
    """Add the column NEWEST: the newest of the sorted instants that is not later than the row's.

    It is null where there is none, or the newest one is older than `ttl`.
    """
    no_instant = pl.Series([None], dtype=instants.dtype)
    earlier_count = instants.search_sorted(entities[INSTANT], side="right")
    newest = pl.concat([no_instant, instants]).gather(earlier_count)
    with_newest = entities.with_columns(newest.alias(NEWEST))
    if ttl is None:
        return with_newest
    is_valid = pl.col(INSTANT) - pl.col(NEWEST) <= ttl
    return with_newest.with_columns(pl.when(is_valid).then(NEWEST).alias(NEWEST))


def _join_equal(
    entities: pl.DataFrame,
    history: pl.DataFrame,
    keys: Sequence[str],
) -> pl.DataFrame:
    """Join the history rows of one AS_OF by their keys.

    Where a key has no row, AS_OF is null, and the features mean nothing.
    """
    if len(keys) == 1 and _are_sorted(entities[keys[0]], history[keys[0]]):
        return _merge(entities, history, keys[0])
    joined = entities.join(history, on=list(keys), how="left", maintain_order="left")
    if len(joined) == len(entities):
        return joined
    # A source without a created_timestamp_column may have several rows of a key and an instant.
    # The last one counts, as in the other joins. polars promises no order of the matches.
    last_rows = history.unique(list(keys), keep="last", maintain_order=True)
    return entities.join(last_rows, on=list(keys), how="left", maintain_order="left")


def _are_sorted(*key_columns: pl.Series) -> bool:
    """Return whether two columns can be merged: both have texts or integers in their order."""
    return all(
        (column.dtype == pl.String or column.dtype.is_integer())
        and not column.has_nulls()
        and column.is_sorted()
        for column in key_columns
    )


def _merge(entities: pl.DataFrame, history: pl.DataFrame, key: str) -> pl.DataFrame:
    """Join rows that are sorted by their keys in one pass, without a hash of the keys.

    The pass finds the last history row whose key is not after the key of the entity row. It counts
    if the keys are equal. `ingest` writes the rows of a drop in the order of their keys, so this is
    the usual case.
    """
    merged = entities.join_asof(
        history.rename({key: MERGED_KEY}),
        left_on=key,
        right_on=MERGED_KEY,
        check_sortedness=False,
    )
    is_equal = pl.col(key) == pl.col(MERGED_KEY)
    as_of = pl.when(is_equal).then(AS_OF).alias(AS_OF)
    return merged.with_columns(as_of).drop(MERGED_KEY)


def _join_as_of(
    entities: pl.DataFrame,
    history: pl.DataFrame,
    keys: Sequence[str],
    ttl: timedelta | None,
) -> pl.DataFrame:
    """Join the newest history row at each row's instant, if it is not older than `ttl`."""
    return entities.sort(INSTANT).join_asof(
        history.sort(AS_OF, maintain_order=True),
        left_on=INSTANT,
        right_on=AS_OF,
        by=list(keys) or None,
        strategy="backward",
        tolerance=ttl,
        # polars cannot check this together with `by`; both frames are sorted above.
        check_sortedness=False,
    )


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
