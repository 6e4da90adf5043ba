"""Evaluate a random forest for many rows at once: by all processors, and if possible by votes.

The answers have the bits of the forest that is walked (`portable/forest.py`), and so of
scikit-learn. If every leaf has training rows of one class only, the answer is the share of the
trees that vote for class 1. Then 64 rows are the bits of one word, and NumPy computes with 256 rows
in one instruction. A row takes a third of the processor time of a walk. After many rows the forest
is divided into parts (`forest_parts.py`), and a row takes a sixth.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from streamflow.models.forest_parts import (
    Trees,
    choose_cuts,
    make_part,
    number_parts,
    whole_forest,
)
from streamflow.models.forest_votes import Votes
from streamflow.models.model_kind import Floats
from streamflow.models.portable.forest import ROWS_PER_BATCH, Forest
from streamflow.models.processors import count_processors

RowNumbers = NDArray[np.intp]

ROWS_PER_COUNT = 4096  # rows whose votes are counted at once: their masks fit into the cache
TREES_PER_COUNT = 20  # trees whose levels are computed at once
TREES_PER_COUNT_OF_PART = 100  # the same in a part: it has fewer rows, and fewer nodes of a tree
#: Planning the parts takes as long as they save for so many rows. So it begins after these.
ROWS_BEFORE_PARTS = 150_000
#: With fewer rows in a call, a part has too few of them.
ROWS_FOR_PARTS = 4 * ROWS_PER_COUNT


class BatchForest:
    """A forest that is fast for many rows too. `walk` is the forest that it is made from."""

    def __init__(self, forest: Forest) -> None:
        self.walk = forest
        self._counted_rows = 0

    def __call__(self, matrix: Floats) -> Floats:
        """Return the probability of class 1 for each row; matrix (n, width) -> (n,)."""
        if len(matrix) <= ROWS_PER_BATCH:
            return self.walk(matrix)
        # For fewer rows, planning the trees takes longer than a walk.
        if len(matrix) < ROWS_PER_COUNT or not self.is_pure:
            return _share_out(self.walk, matrix, ROWS_PER_BATCH)
        has_null = np.isnan(matrix).any(axis=1)
        answers = np.empty(len(matrix))
        answers[has_null] = _share_out(self.walk, matrix[has_null], ROWS_PER_BATCH)
        answers[~has_null] = self._count_votes(matrix[~has_null])
        return answers

    def _count_votes(self, rows: Floats) -> Floats:
        """Return the probability of class 1 for many rows without nulls, (n,)."""
        self._counted_rows += len(rows)
        if self._counted_rows > ROWS_BEFORE_PARTS and len(rows) >= ROWS_FOR_PARTS:
            return self._vote_parts.compute(rows)
        return _share_out(self._votes.compute, rows, ROWS_PER_COUNT)

    @property
    def is_pure(self) -> bool:
        """Whether each leaf has training rows of one class only."""
        return bool(np.array_equal(self.walk.values, [0.0, 1.0]))

    @cached_property
    def _votes(self) -> Votes:
        return Votes(whole_forest(self.walk), TREES_PER_COUNT)

    @cached_property
    def _vote_parts(self) -> VoteParts:
        return VoteParts(whole_forest(self.walk))


class VoteParts:
    """The trees that vote for class 1, each part of the forest for its own rows."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._cuts = choose_cuts(trees)
        self._votes: dict[int, Votes] = {}

    def compute(self, rows: Floats) -> Floats:
        """Return the share of the trees that vote for class 1; (n, width) -> (n,)."""
        answers = np.empty(len(rows))
        part_of_row = number_parts(rows.astype(np.float32), self._cuts)
        tasks: list[tuple[Votes, RowNumbers]] = []
        for number in np.unique(part_of_row).tolist():
            votes = self._plan_part(number)
            part_rows = np.flatnonzero(part_of_row == number)
            starts = range(0, len(part_rows), ROWS_PER_COUNT)
            tasks.extend((votes, part_rows[i : i + ROWS_PER_COUNT]) for i in starts)
        with ThreadPoolExecutor(count_processors()) as pool:
            shares = pool.map(lambda task: task[0].compute(rows[task[1]]), tasks)
            for (_, task_rows), share in zip(tasks, shares, strict=True):
                answers[task_rows] = share
        return answers

    def _plan_part(self, number: int) -> Votes:
        """Return the trees of a part. They are planned when its first rows come."""
        if number not in self._votes:
            trees = make_part(self._trees, self._cuts, number)
            self._votes[number] = Votes(trees, TREES_PER_COUNT_OF_PART)
        return self._votes[number]


def _share_out(compute: Callable[[Floats], Floats], rows: Floats, most_rows: int) -> Floats:
    """Compute the answers of rows in one thread per processor: NumPy frees Python's lock."""
    if not len(rows):
        return np.empty(0)
    threads = count_processors()
    # Every thread gets the same number of batches.
    rounds = -(-len(rows) // (threads * most_rows))
    batches = np.array_split(rows, rounds * threads)
    with ThreadPoolExecutor(threads) as pool:
        answers = pool.map(compute, filter(len, batches))
        return np.concatenate(list(answers))
