"""Where a step computes: in this process, or on the Spark Connect server of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from streamflow.platform import Platform

if TYPE_CHECKING:
    from streamflow.spark.session import SparkEngine


@contextmanager
def open_step_engine(platform: Platform) -> Iterator[SparkEngine | None]:
    """Open the engine of the settings for one step; None where the step computes itself.

    Raises:
        PackagesMissing: the extra `spark` is not installed.
        EngineUnavailable: the server does not answer or refuses.
    """
    remote = platform.settings.spark_remote
    if platform.settings.engine == "local" or remote is None:
        yield None
        return
    from streamflow.spark.session import open_engine

    with closing(open_engine(remote.get_secret_value())) as engine:
        platform.notify(f"using the engine Spark {engine.version} at {engine.address}")
        yield engine
