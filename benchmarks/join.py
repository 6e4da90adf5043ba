"""Time the point-in-time join of many months against DuckDB's ASOF JOIN on the same rows.

The rows are those of a training set of MONTHS drops with the views of the default catalog: each
entity row asks for the newest row of its key in each view, as of its drop. Both sides have the rows
in memory as Arrow data, and give the features as Arrow data, in the order of the entity rows.

as frozen   the rows of a drop are in the order of their keys, as `ingest` writes them
shuffled    the rows of a drop, and the entity rows, are in any order

Processor seconds are those of both cores together: on a busy machine they say more than seconds.
USERS, MONTHS and RUNS change the size.
"""

from __future__ import annotations

import os
import sys
import time
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from ratios import IS_SHORT, Ratio, record

if TYPE_CHECKING:
    import pyarrow as pa

USERS = int(os.environ.get("USERS", "100000"))
MONTHS = int(os.environ.get("MONTHS", "6"))
RUNS = int(os.environ.get("RUNS", "3"))
SEED, THREADS = 42, 2
#: The features of each view of the default catalog.
WIDTHS = {"subscriptions": 6, "usage": 5, "payments": 1, "support": 2}
KEY = "user_id"
TTL = timedelta(days=62)
REQUIRED_ROWS_PER_S = 1.5e6
STAMP = pl.Datetime("us", "UTC")


class Question(NamedTuple):
    """Entity rows, and the rows of each view."""

    entities: pl.DataFrame
    views: Sequence[pl.DataFrame]


class Duration(NamedTuple):
    """The shortest of some runs."""

    seconds: float
    processor_seconds: float


def main() -> int:
    """Print the table; 1 when the join is slower than it must be, or its answer is a different one.

    In the short form the rows per second are not judged.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", str(THREADS))
    print(f"point-in-time join of {len(WIDTHS)} views, {USERS:,} users x {MONTHS} drops")
    print(f"{'':<34}{'seconds':>9}{'CPU s':>8}{'entity rows/s':>15}{'ratio':>8}")
    failed = 0
    for name, is_shuffled in (("as frozen", False), ("shuffled", True)):
        question = make_question(USERS, MONTHS, is_shuffled=is_shuffled)
        assert_equal(join_here(question), join_with_duckdb(question))
        ours = time_runs(lambda question=question: join_here(question))
        peer = time_runs(lambda question=question: join_with_duckdb(question))
        ratio = peer.seconds / ours.seconds
        rows = len(question.entities)
        print_line(f"streamflow, {name}", ours, rows, 1.0)
        print_line(f"DuckDB's ASOF JOIN, {name}", peer, rows, ratio)
        speed = rows / ours.seconds / REQUIRED_ROWS_PER_S
        bound = None if IS_SHORT or is_shuffled else 1.0
        measures = (
            Ratio(
                section="join", measure=f"of 1.5 million rows/s, {name}", value=speed, bound=bound
            ),
            Ratio(section="join", measure=f"DuckDB's ASOF JOIN, {name}", value=ratio, bound=1.0),
        )
        failed += sum(not record(measure) for measure in measures)
    return int(failed > 0)


def make_question(users: int, months: int, *, is_shuffled: bool) -> Question:
    """Make seeded rows. One user in fifty has no row in a drop: an older one answers."""
    random = np.random.default_rng(SEED)
    keys = pl.Series(KEY, [f"{number:07d}-USER" for number in range(users)])
    as_ofs = [_last_day(number) for number in range(months)]
    entities = pl.concat([_dated(keys, as_of, "instant") for as_of in as_ofs])
    if is_shuffled:
        entities = entities[random.permutation(len(entities))]
    views = []
    for view, width in WIDTHS.items():
        drops = []
        for as_of in as_ofs:
            present = np.flatnonzero(random.random(users) >= 1 / 50)
            order = random.permutation(present) if is_shuffled else present
            columns = [
                pl.Series(f"{view}_{number}", random.random(len(order))) for number in range(width)
            ]
            drops.append(_dated(keys[order], as_of, "as_of").with_columns(columns))
        views.append(pl.concat(drops))
    return Question(entities, views)


def _last_day(number: int) -> datetime:
    year, month = 2024 + number // 12, number % 12 + 1
    return datetime(year, month, monthrange(year, month)[1], tzinfo=UTC)


def _dated(keys: pl.Series, instant: datetime, name: str) -> pl.DataFrame:
    return pl.DataFrame([keys]).with_columns(pl.lit(instant).cast(STAMP).alias(name))


def join_here(question: Question) -> pa.Table:
    """Return the features of each entity row by the join of our offline store."""
    from streamflow.features.point_in_time_join import AS_OF, INSTANT, point_in_time_join

    entities = question.entities.rename({"instant": INSTANT})
    joined = [
        point_in_time_join(entities, view.rename({"as_of": AS_OF}), keys=[KEY], ttl=TTL)
        for view in question.views
    ]
    return pl.concat(joined, how="horizontal").to_arrow()


def join_with_duckdb(question: Question) -> pa.Table:
    """Return the features of each entity row by ASOF JOIN; a row that is too old gives nulls."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {THREADS}; SET TimeZone = 'UTC'")
        connection.register("entities", question.entities.with_row_index("row").to_arrow())
        columns, joins = [], []
        for number, view in enumerate(question.views):
            connection.register(f"view_{number}", view.to_arrow())
            name = f"v{number}"
            joins.append(
                f" ASOF LEFT JOIN view_{number} AS {name}"
                f" ON e.{KEY} = {name}.{KEY} AND e.instant >= {name}.as_of"
            )
            is_young = f"e.instant - {name}.as_of <= INTERVAL {TTL.days} DAY"
            columns += [
                f"CASE WHEN {is_young} THEN {name}.{column} END AS {column}"
                for column in view.columns[2:]
            ]
        statement = f"SELECT {', '.join(columns)} FROM entities AS e{''.join(joins)} ORDER BY e.row"  # noqa: S608
        return connection.sql(statement).to_arrow_table()


def assert_equal(ours: pa.Table, theirs: pa.Table) -> None:
    """Stop when the two sides give different features."""
    assert pl.DataFrame(ours).equals(pl.DataFrame(theirs)), "the two joins differ"


def time_runs(join: Callable[[], object]) -> Duration:
    """Return the shortest of RUNS runs. One run before, for the comparison, has warmed both up."""
    seconds, processor_seconds = [], []
    for _ in range(RUNS):
        begin, processor_begin = time.perf_counter(), time.process_time()
        join()
        seconds.append(time.perf_counter() - begin)
        processor_seconds.append(time.process_time() - processor_begin)
    return Duration(min(seconds), min(processor_seconds))


def print_line(name: str, duration: Duration, rows: int, ratio: float) -> None:
    """Print one line of the table."""
    print(
        f"{name:<34}{duration.seconds:>9.3f}{duration.processor_seconds:>8.3f}"
        f"{rows / duration.seconds:>15,.0f}{ratio:>8.2f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
