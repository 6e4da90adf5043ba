"""How the rows of a drop are answered: here, or in a process that this rule was sent to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.serving.completeness import CompletenessPolicy
from streamflow.core.serving.frame_completeness import complete_frame

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AnswerRule:
    """Everything that decides the answer for a row of features.

    Attributes:
        key: the name of the key column.
        at: the instant of the answers.
        as_of_columns: view -> the column with the instant of its row.
        threshold: the probability from which the prediction is 1.
        probability: returns the probability of each complete row, (n,).
        reasons: called with complete rows and their probabilities; returns the reasons of each row
            as JSON. None: no reasons are asked for.
    """

    key: str
    at: datetime
    policy: CompletenessPolicy
    as_of_columns: Mapping[str, str]
    threshold: float
    probability: Callable[[pl.DataFrame], Floats]
    reasons: Callable[[pl.DataFrame, Floats], Iterator[str]] | None

    def answer(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Predict for each row that can be completed.

        Returns:
            One row per row: key, features_as_of, probability, prediction, missing, defaulted,
            reasons. Probability, prediction and reasons are null where a row cannot be completed.
        """
        completed = complete_frame(self.policy, rows, self.as_of_columns, self.at)
        facts = completed.facts
        is_answered = facts["reason"].is_null()
        complete_rows = completed.values.filter(is_answered)
        answers = self.probability(complete_rows)
        values = np.full(len(rows), np.nan)
        values[is_answered.to_numpy()] = answers
        probabilities = pl.Series("probability", values).fill_nan(None)
        is_flagged = probabilities >= self.threshold
        refused_features = facts.select(pl.concat_list("missing_features", "stale_features"))
        return pl.DataFrame(
            {
                "key": rows[self.key].cast(pl.String),
                "features_as_of": facts["as_of"],
                "probability": probabilities,
                "prediction": is_flagged.cast(pl.Int16),
                "missing": _join_names(refused_features.to_series()),
                "defaulted": _join_names(facts["defaulted"]),
                "reasons": self._list_reasons(complete_rows, answers, is_answered),
            }
        )

    def _list_reasons(
        self, complete_rows: pl.DataFrame, probability: Floats, is_answered: pl.Series
    ) -> pl.Series:
        """Return the reasons of each row as JSON; null where it has no answer, or none is asked.

        Args:
            complete_rows: The rows that are answered.
            probability: The answer for each of them, (n,).
            is_answered: Whether a row is answered, for all rows.
        """
        if self.reasons is None:
            return pl.Series("reasons", [None] * len(is_answered), dtype=pl.String)
        texts = iter(self.reasons(complete_rows, probability))
        reasons = [next(texts) if answered else None for answered in is_answered]
        return pl.Series("reasons", reasons, dtype=pl.String)


def _join_names(names: pl.Series) -> pl.Series:
    """Join each list of names into one text; null for an empty list."""
    return names.list.join(", ").replace("", None)
