"""A random forest whose smallest leaf is chosen inside the training side."""

from __future__ import annotations

from typing import Any

from streamflow.models.forest_kind import create_forest_kind
from streamflow.models.model_kind import FitOptions

STEP = "leaf_forest"

# The candidates of the fewest training rows in a leaf, the smoothest forest first. Leaves of one
# row suit data without noise; the more chance there is in an outcome, the larger they must be.
LEAF_SIZES = (20, 5, 1)


def _create(options: FitOptions) -> list[tuple[str, Any]]:
    """Create the forest."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=options.trees,
        min_samples_leaf=options.leaf_size,
        max_features="sqrt",
        random_state=options.seed,
    )
    return [(STEP, forest)]


KIND = create_forest_kind(name="forest", rank=3, step=STEP, create=_create, leaf_sizes=LEAF_SIZES)
