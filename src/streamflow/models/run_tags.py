"""The tags of our runs in MLflow."""

from __future__ import annotations

import getpass

#: MLflow's own tag of a child run.
PARENT_TAG = "mlflow.parentRunId"
#: The tag of a run that we created. `prune` touches no run without it.
MODEL_TAG = "streamflow.model"


def page_tags(command: str, description: str) -> dict[str, str]:
    """Return the tags that MLflow's page of a run shows as its user, source and description.

    Args:
        command: the command of streamflow that makes the run
        description: what the run is, in Markdown
    """
    return {
        "mlflow.user": _find_user(),
        "mlflow.source.name": f"streamflow {command}",
        "mlflow.source.type": "JOB",
        "mlflow.note.content": description,
    }


def _find_user() -> str:
    """Return the name of the user of the operating system, as MLflow's own clients do."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        return "unknown"
