"""The baseline: a random forest that balances the classes."""

from __future__ import annotations

from typing import Any

from streamflow.models.forest_kind import create_forest_kind
from streamflow.models.model_kind import FitOptions

FOREST = "forest"


def _create(options: FitOptions) -> list[tuple[str, Any]]:
    """Create the forest. The balanced classes and the square root are those of the reference."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=options.trees,
        class_weight="balanced",
        max_features="sqrt",
        random_state=options.seed,
    )
    return [(FOREST, forest)]


# `auto` tries the kind `forest` instead, which chooses its leaf size.
KIND = create_forest_kind(name="baseline", rank=2, step=FOREST, create=_create, is_candidate=False)
