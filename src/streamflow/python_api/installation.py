"""What `streamflow.open` and `streamflow.simulate` are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamflow.python_api.arguments import parse_path
from streamflow.python_api.data_steps import DataSteps
from streamflow.python_api.serving_steps import ServingSteps
from streamflow.python_api.sessions import PROCESS_LOCK
from streamflow.python_api.version_steps import VersionSteps
from streamflow.settings import find_catalog_source, load_settings

if TYPE_CHECKING:
    from streamflow.steps.data.simulate import SimulateReceipt

Notify = Callable[[str], None]


class Installation(DataSteps, VersionSteps, ServingSteps):
    """One installation of streamflow, with the steps as methods. `streamflow.open` makes it.

    A method does what the command of its name does, and returns the receipt of the step. A day is
    a date, or a text such as '2024-01-31'. Errors are those of `streamflow.errors`; an argument
    that has no meaning is a ValueError or a TypeError.
    """


def open_installation(
    home: str | Path | None = None, *, notify: Notify | None = None, **settings: Any
) -> Installation:
    """Open an installation. Nothing is started or made until its first method is called.

    >>> with open_installation("churn", trees=50) as installation:
    ...     print(installation.home.name)
    churn

    Args:
        home: the state folder; by default STREAMFLOW_HOME, else .streamflow in this folder.
        notify: called with each line of progress, such as `print`.
        settings: values that come before STREAMFLOW_* and streamflow.toml.

    Raises:
        SettingsInvalid: a setting does not exist or cannot be used.
    """
    # A step in a different thread sets variables that settings are read from.
    with PROCESS_LOCK:
        loaded = load_settings(home=parse_path(home), **settings)
    # The folder of the process may change before the next step.
    home_folder = loaded.home.absolute()
    catalog = loaded.catalog and find_catalog_source(home_folder, loaded.catalog)
    absolute = loaded.model_copy(update={"home": home_folder, "catalog": catalog})
    return Installation(absolute, notify or _say_nothing)


def simulate(
    folder: str | Path,
    *,
    users: int = 7043,
    months: int = 2,
    seed: int = 42,
    notify: Notify | None = None,
) -> SimulateReceipt:
    """Write simulated drops with a known churn mechanism, one subfolder for each month.

    Args:
        folder: where to write.
        users: how many users the first drop has.
        months: how many drops to write.
        seed: equal arguments and seeds give equal files.
        notify: called with each line of progress.
    """
    from streamflow.steps.data.simulate import simulate as step

    return step(Path(folder), users=users, months=months, seed=seed, notify=notify or _say_nothing)


def _say_nothing(_line: str) -> None:
    """Drop a line of progress."""
