"""The check of the engine: does the Spark Connect server of the settings answer."""

from __future__ import annotations

from contextlib import closing

from streamflow.settings import Settings
from streamflow.spark.session import open_engine
from streamflow.steps.upkeep.doctor.finding import Finding, State


def check_engine(settings: Settings) -> Finding:
    """Check that a session with the engine can be opened. The local engine needs none."""
    if settings.engine == "local" or settings.spark_remote is None:
        return Finding(subject="engine", state=State.OK, text="local")
    with closing(open_engine(settings.spark_remote.get_secret_value())) as engine:
        text = f"Spark {engine.version} at {engine.address}"
    return Finding(subject="engine", state=State.OK, text=text)
