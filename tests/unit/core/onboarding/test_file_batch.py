"""Batches that are counted at the same time give what they give one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from streamflow.catalog import STRICT_CSV, kind_of
from streamflow.core.onboarding.column_names import derive_names
from streamflow.core.onboarding.column_profile import FileProfile
from streamflow.core.onboarding.file_batch import count_batch
from streamflow.core.onboarding.file_tally import FileTally
from streamflow.steps.data.source_profile import _add_batches

FILE = "users.csv"
CELLS = (None, "?", " ", "1", "1.0", "2.5", "007", "True", "2024-01-31", "basic", "a\0b")
Batch = tuple[np.ndarray, pl.DataFrame]


def split_rows(columns: dict[str, Sequence[str | None]], size: int) -> list[Batch]:
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    rows = np.arange(len(frame))
    return [(rows[n : n + size], frame[n : n + size]) for n in range(0, len(frame), size)]


def profile(tally: FileTally) -> FileProfile:
    return tally.make_profile(derive_names(list(tally.columns)), {})


def profile_in_turn(batches: list[Batch]) -> FileProfile:
    tally = FileTally(FILE, batches[0][1].columns, STRICT_CSV)
    for rows, cells in batches:
        tally.add(count_batch(rows, cells, tally.expect(), STRICT_CSV, kind_of(FILE)))
    return profile(tally)


def profile_at_once(batches: list[Batch]) -> FileProfile:
    tally = FileTally(FILE, batches[0][1].columns, STRICT_CSV)
    _add_batches(tally, iter(batches))
    return profile(tally)


@given(
    cells=st.lists(st.tuples(st.sampled_from(CELLS), st.sampled_from(CELLS)), min_size=1),
    size=st.integers(1, 4),
)
# The second batch has the first value of a column, and the third was counted without it.
@example(cells=[("1", None), ("2", "5"), ("3", "basic"), ("4", "gold")], size=1)
# The first value comes late, after words for a missing value.
@example(cells=[("1", "?"), ("2", "?"), ("3", "2024-01-31"), ("4", "2.5")], size=1)
def test_batches_counted_at_the_same_time_give_the_same_profile(
    cells: list[tuple[str | None, str | None]],
    size: int,
) -> None:
    columns = {"user_id": [cell for cell, _ in cells], "plan": [cell for _, cell in cells]}
    batches = split_rows(columns, size)
    assert profile_at_once(batches) == profile_in_turn(batches)
