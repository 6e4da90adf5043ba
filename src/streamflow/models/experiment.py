"""Find or create the MLflow experiment of our runs, and the registered model."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from streamflow.errors import StreamflowError
from streamflow.models.registry_repair import refuse_renamed_model

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


# MLflow's tag that decides which pages an experiment opens with, and its value for models that are
# trained. Without it, MLflow guesses, and asks the user.
KIND_TAG = "mlflow.experimentKind"
MODEL_TRAINING = "custom_model_development"

MODEL_DESCRIPTION = (
    "Trained by streamflow. Promote with 'streamflow promote': it asks the gate, and writes the"
    " ledger. The passport of a version is passport.json among the artifacts of its run."
)

# The rights of the group and of everybody.
RIGHTS_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def ensure_experiment(client: MlflowClient, name: str, *, artifact_root: str | None) -> str:
    """Return the id of the experiment, and create the experiment when it does not exist.

    Args:
        client: the connection to MLflow.
        name: the name of the experiment.
        artifact_root: where a new experiment stores its artifacts. None: MLflow decides.

    Raises:
        StreamflowError: the experiment was deleted.
    """
    from mlflow.exceptions import MlflowException

    keep_private(artifact_root)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        _create_experiment(client, name, artifact_root)
        experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage != "active":
        raise StreamflowError(
            f"the MLflow experiment '{name}' was deleted",
            remedy="Run 'streamflow doctor --fix', which restores it, or set STREAMFLOW_EXPERIMENT"
            " to a different name.",
        )
    experiment_id: str = experiment.experiment_id
    if KIND_TAG not in experiment.tags:  # an earlier release made it
        # Only MLflow's pages read the tag. MLflow fails if a concurrent run sets it too.
        with suppress(MlflowException):
            client.set_experiment_tag(experiment_id, KIND_TAG, MODEL_TRAINING)
    return experiment_id


def _create_experiment(client: MlflowClient, name: str, artifact_root: str | None) -> None:
    """Create an experiment, unless a concurrent run has created it a moment ago."""
    from mlflow.exceptions import MlflowException

    location = f"{artifact_root.rstrip('/')}/{name}" if artifact_root else None
    try:
        client.create_experiment(name, artifact_location=location, tags={KIND_TAG: MODEL_TRAINING})
    except MlflowException as exc:
        if exc.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def keep_private(artifact_root: str | None) -> None:
    """Make the folder of artifacts readable for its owner alone, whatever the umask is.

    The files of a version contain stored requests: feature values of users, without their keys. A
    store on a different machine has its own rights, and a folder of somebody else is left alone.
    """
    if artifact_root is None or urlsplit(artifact_root).scheme not in ("", "file"):
        return
    folder = Path(unquote(urlsplit(artifact_root).path))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid == os.geteuid() and status.st_mode & RIGHTS_OF_OTHERS:
        folder.chmod(stat.S_IMODE(status.st_mode) & ~RIGHTS_OF_OTHERS)


def ensure_registered_model(client: MlflowClient, name: str) -> None:
    """Create the registered model, unless it exists already.

    Raises:
        ModelRenamed: it exists under a different name.
    """
    from mlflow.exceptions import MlflowException

    refuse_renamed_model(client, name)
    try:
        client.create_registered_model(name, description=MODEL_DESCRIPTION)
    except MlflowException as exc:
        if exc.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
