"""The tags of our runs in MLflow."""

from __future__ import annotations

#: MLflow's own tag of a child run.
PARENT_TAG = "mlflow.parentRunId"
#: The tag of a run that we created. `prune` touches no run without it.
MODEL_TAG = "streamflow.model"
