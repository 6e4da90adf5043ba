"""MLflow's own functions, which take their address from the process and not from a client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
import pytest
from mlflow.tracking._model_registry import utils


@contextmanager
def mlflow_at(tracking_uri: str) -> Iterator[None]:
    """`mlflow.pyfunc.load_model("models:/…")` and its like ask this address in the block.

    Which address the process has before depends on the tests that ran in it: commands that read the
    registry's tables themselves set none.
    """
    with own_registry_address():
        mlflow.set_tracking_uri(tracking_uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(None)


@contextmanager
def own_registry_address() -> Iterator[None]:
    """In the block the process has no address of a registry; what is set in it ends with it.

    MLflow's server sets one when it runs in this process.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "_registry_uri", None)
        patch.setenv("MLFLOW_REGISTRY_URI", "")
        yield
