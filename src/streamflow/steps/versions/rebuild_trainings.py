"""Train the rebuilds of `compare`, each different one once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamflow.core.data.json_text import canonical_json
from streamflow.core.statistics.metrics import HoldoutMetrics
from streamflow.core.statistics.threshold import Threshold
from streamflow.core.training.training_set import TrainingSet
from streamflow.platform import Platform
from streamflow.steps.training.fit import evaluate_holdout
from streamflow.steps.training.learn import learn

# It decides the intervals of the metrics, and nothing that is learned.
EVALUATION_SETTING = "bootstrap_draws"


@dataclass(frozen=True, kw_only=True)
class LearnedHoldout:
    """The labels, the probabilities and the threshold of the hold-out of a rebuild."""

    label: NDArray[np.int8]
    probability: NDArray[np.float64]
    threshold: Threshold


@dataclass(frozen=True)
class RebuildTrainings:
    """The hold-outs of the rebuilds that were trained so far, by what they were learned from.

    Rebuilds are often equal. An example: the data differ only in columns that no feature reads.
    """

    learned: dict[tuple[str, str], LearnedHoldout] = field(default_factory=dict)

    def score(self, platform: Platform, rows: TrainingSet) -> HoldoutMetrics:
        """Return the metrics of a rebuild. It is trained unless an equal one was trained before.

        Raises TrainingImpossible when all rows of a side are of the same class.
        """
        inputs = (rows.digest, _describe_learning(platform))
        if inputs not in self.learned:
            self.learned[inputs] = _learn_holdout(platform, rows)
        holdout = self.learned[inputs]
        return evaluate_holdout(
            platform.settings, holdout.label, holdout.probability, holdout.threshold
        )


def _describe_learning(platform: Platform) -> str:
    """Return everything beside the rows that decides what is learned."""
    settings = {
        name: entry["value"]
        for name, entry in platform.settings.semantic_values.items()
        if name != EVALUATION_SETTING
    }
    features = [feature.model_dump(mode="json") for feature in platform.catalog.features]
    return canonical_json({"settings": settings, "features": features})


def _learn_holdout(platform: Platform, rows: TrainingSet) -> LearnedHoldout:
    """Train a rebuild; keep its hold-out and not its model, which takes much memory."""
    learned = learn(platform, rows)
    return LearnedHoldout(
        label=rows.labels[learned.holdout],
        probability=learned.probability,
        threshold=learned.decision.threshold,
    )
