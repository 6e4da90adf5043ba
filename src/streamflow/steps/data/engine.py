"""Where a step computes: in this process, or on the Spark Connect server of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.platform import Platform

if TYPE_CHECKING:
    from streamflow.spark.session import SparkEngine


def open_step_engine(platform: Platform) -> SparkEngine | None:
    """Return the engine of the settings; None where the step computes itself.

    All steps of a command use one session.

    Raises:
        PackagesMissing: the extra `spark` is not installed.
        EngineUnavailable: the server does not answer or refuses.
    """
    remote = platform.settings.spark_remote
    if platform.settings.engine == "local" or remote is None:
        return None
    return platform.engine(remote.get_secret_value())
