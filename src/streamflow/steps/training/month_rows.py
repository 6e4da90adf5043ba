"""Put the sets of many months together, so that the rows of one month at a time are in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from streamflow.core.training.training_set import TrainingSet
from streamflow.files.frame_store import FrameStore
from streamflow.platform import Platform

Month = TypeVar("Month")


def stack_months(
    platform: Platform, months: Sequence[Month], assemble_month: Callable[[Month], TrainingSet]
) -> TrainingSet:
    """Assemble the set of each month, and put them together.

    The rows of the newest month stay in memory. Those of the months before are written to a file
    without a name in the state folder, and are read from it whenever they are used.

    Args:
        platform: the open platform
        months: what each month is assembled from, the oldest first
        assemble_month: returns the set of one month

    Raises:
        DiskFull: there is no space left on the disk of the state folder.
    """
    *earlier_months, newest = months
    if not earlier_months:
        return assemble_month(newest)
    store = FrameStore(platform.home / "tmp")
    earlier = []
    for month in earlier_months:
        rows = assemble_month(month)
        earlier.append(replace(rows, rows=store.add(rows.frame)))
        del rows  # the next month is assembled without this one in memory
    return replace(assemble_month(newest), earlier=tuple(earlier))
