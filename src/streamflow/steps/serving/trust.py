"""What a reader must know to trust a list of users: day, version, calibration, ages, defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from streamflow.core.serving.risk import (
    CalibrationExample,
    OutcomeTenth,
    choose_example,
    read_tenths,
)
from streamflow.errors import NothingScored
from streamflow.platform import Platform
from streamflow.warehouse.score_pages import ScoredDrop, read_newest_drop, read_newest_drops

# The scored drops that a page looks back on: two years of months.
DROPS_SHOWN = 24


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How well the probabilities of an earlier scored drop held, once its labels came."""

    as_of: datetime
    version: int
    example: CalibrationExample


@dataclass(frozen=True, kw_only=True)
class Trust:
    """The line of trust of a scored drop.

    users         the users of the drop
    unanswered    of these, the users without a probability: a value is missing or too old
    defaulted     of these, the users for whom a default stands for a value; None: not added up
    oldest_as_of  the day of the oldest values that were used
    calibration   None: no labels have come for a drop on which the version was not trained
    """

    as_of: datetime
    version: int
    scored_at: datetime
    users: int
    unanswered: int
    defaulted: int | None
    oldest_as_of: datetime | None
    calibration: Calibration | None


def read_scored_drops(platform: Platform) -> list[ScoredDrop]:
    """Read the scored drops, the newest first.

    Raises:
        NothingScored: no drop was scored yet; it names the command that scores the newest one.
    """
    drops = read_newest_drops(platform.connection, platform.catalog.model, limit=DROPS_SHOWN)
    if drops:
        return drops
    newest = read_newest_drop(platform.connection, platform.catalog.entity.table)
    if newest is None:
        raise NothingScored(
            "no drop was loaded yet, and so none was scored",
            remedy="Run 'streamflow run DIR --as-of D' with your first drop.",
        )
    raise NothingScored(
        f"no drop was scored yet; the newest drop is that of {newest:%Y-%m-%d}",
        remedy=f"Run 'streamflow score --as-of {newest:%Y-%m-%d} --explain'.",
    )


def make_trust(drops: Sequence[ScoredDrop]) -> Trust:
    """Make the line of trust of the first of the scored drops, which is the newest."""
    newest = drops[0]
    return Trust(
        as_of=newest.as_of,
        version=newest.version,
        scored_at=newest.at,
        users=newest.rows,
        unanswered=newest.missing,
        defaulted=newest.defaulted,
        oldest_as_of=newest.oldest_as_of,
        calibration=_find_calibration(drops),
    )


def is_honest(drop: ScoredDrop) -> bool:
    """Return whether a version was trained on earlier drops only than the one that it scored."""
    return drop.trained_as_of is not None and drop.trained_as_of < drop.as_of


def drop_tenths(drop: ScoredDrop) -> tuple[OutcomeTenth, ...]:
    """Return what became of the users of a scored drop; empty if no labels have come."""
    return read_tenths(drop.tenths or ())


def _find_calibration(drops: Sequence[ScoredDrop]) -> Calibration | None:
    """Take the newest scored drop with labels on which its version was not trained."""
    for drop in drops:
        example = choose_example(drop_tenths(drop)) if is_honest(drop) else None
        if example is not None:
            return Calibration(as_of=drop.as_of, version=drop.version, example=example)
    return None
