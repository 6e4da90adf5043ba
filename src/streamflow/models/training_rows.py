"""The rows that models learn from, and how a model is fitted on some of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.catalog import Feature
from streamflow.core.training.split import hash_position
from streamflow.models.forward_months import ForwardMonths
from streamflow.models.pipelines import encode_rows, fit_encoded
from streamflow.models.stacked_frame import StackedFrame


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A kind of model with a leaf size; None: the first size of the kind."""

    kind: str
    leaf_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """The rows to learn from, in the order of their keys, and the settings of a fit.

    Rows of many months come month by month. A key may have a row in each.

    Attributes:
        keys: (n,)
        frame: (n, features) one block for each month.
        label: (n,)
        features: as the catalog declares them.
        trees: the number of trees of a forest.
        seed: for everything that is random in a fit.
        months: which rows cross-validation learns from, and on which it judges; None: on all.
    """

    keys: pl.Series
    frame: StackedFrame
    label: NDArray[np.int8]
    features: Sequence[Feature]
    trees: int
    seed: int
    months: ForwardMonths | None = None

    @property
    def is_judged(self) -> NDArray[np.bool_]:
        """Return which rows cross-validation judges on, (n,)."""
        return _all_rows(self.label) if self.months is None else self.months.is_newest

    @property
    def is_learned(self) -> NDArray[np.bool_]:
        """Return which rows cross-validation learns from, (n,)."""
        return _all_rows(self.label) if self.months is None else self.months.is_before

    @property
    def judged_label(self) -> NDArray[np.int8]:
        """Return the labels of the rows that cross-validation judges on, in their order."""
        return self.label[self.is_judged]

    def fit(
        self,
        kind: str,
        rows: NDArray[np.bool_] | None = None,
        *,
        leaf_size: int | None = None,
    ) -> Any:
        """Fit a pipeline on the selected rows, or on all rows when `rows` is None.

        Raises:
            TrainingImpossible: there are no rows, or rows of one class only.
        """
        [pipeline] = self.fit_each([Trial(kind=kind, leaf_size=leaf_size)], rows)
        return pipeline

    def fit_each(
        self, trials: Iterable[Trial], rows: NDArray[np.bool_] | None = None
    ) -> Iterator[Any]:
        """Fit a pipeline of each trial on the selected rows, which are encoded once: see `fit`."""
        frame = self.frame
        label = self.label
        if rows is not None:
            frame = frame.filter(rows)
            label = label[rows]
        encoded = encode_rows(frame, self.features)
        for trial in trials:
            yield fit_encoded(
                trial.kind,
                encoded,
                label,
                trees=self.trees,
                seed=self.seed,
                leaf_size=trial.leaf_size,
            )

    def sample(self, rows: int, *, salt: str) -> TrainingRows:
        """Return at most `rows` of these rows; the key of a row decides, so they are the same.

        A key comes with its rows of all months: these may be a few more than `rows`.
        """
        if len(self.keys) <= rows:
            return self
        positions = hash_position(self.keys, salt=f"{salt} sample")
        is_in_sample = positions <= np.partition(positions, rows - 1)[rows - 1]
        return replace(
            self,
            keys=self.keys.filter(pl.Series(is_in_sample)),
            frame=self.frame.filter(is_in_sample),
            label=self.label[is_in_sample],
            months=self.months and self.months.only(is_in_sample),
        )


def _all_rows(label: NDArray[np.int8]) -> NDArray[np.bool_]:
    return np.ones(len(label), dtype=bool)
