"""MLflow's own functions, which take their address from the process and not from a client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import mlflow


@contextmanager
def mlflow_at(tracking_uri: str) -> Iterator[None]:
    """`mlflow.pyfunc.load_model("models:/…")` and its like ask this address in the block.

    Which address the process has before depends on the tests that ran in it: commands that read the
    registry's tables themselves set none.
    """
    mlflow.set_tracking_uri(tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)
