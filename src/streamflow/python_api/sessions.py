"""Open the platform for one step of a process that goes on afterwards, such as a notebook.

MLflow, Feast and libpq take the address of an installation from the environment of the process. A
command has a process of its own. Here, the environment, the umask and MLflow's own address belong
to the user's process. So they are ours only while a step runs, and one step runs at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING

from streamflow.files.permissions import deny_writing_to_others
from streamflow.packages import explain_missing_package
from streamflow.settings import Settings

if TYPE_CHECKING:
    from streamflow.platform import Platform

# One for the process, held by the thread whose step runs: two installations would set the same
# variables.
PROCESS_LOCK = RLock()


@contextmanager
def open_session(
    settings: Settings,
    notify: Callable[[str], None],
    *,
    must_be_migrated: bool = True,
) -> Iterator[Platform]:
    """Open the platform for one step. At the end the process is as it was before.

    A step that Ctrl-C ends is rolled back like a command.

    Args:
        settings: of the installation
        notify: called with each line of progress
        must_be_migrated: require that the database is migrated
    """
    with PROCESS_LOCK:
        former_umask = deny_writing_to_others()
        try:
            from streamflow.models.mlflow_client import forget_tracking_uri
            from streamflow.platform import open_platform
            from streamflow.steps.lineage.observer import StepReporter

            with open_platform(
                settings,
                notify=notify,
                must_be_migrated=must_be_migrated,
                observer=StepReporter(),
            ) as platform:
                try:
                    yield platform
                except ModuleNotFoundError as error:
                    explained = explain_missing_package(error)
                    if explained is None:
                        raise
                    raise explained from error
                finally:
                    forget_tracking_uri()
        finally:
            os.umask(former_umask)
