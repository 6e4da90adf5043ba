"""simulate: write drops whose churn mechanism is known, to try and to measure streamflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from streamflow.core.data.counts import count_of
from streamflow.files.drop_folders import write_drop
from streamflow.receipt import Receipt
from streamflow.simulation.drops import simulate_months


@dataclass(frozen=True)
class SimulateReceipt(Receipt):
    """The simulated drops; each field has one entry per drop.

    best_aucs   the AUC of the true probabilities: in expectation, no model ranks better
    """

    folders: tuple[Path, ...]
    as_ofs: tuple[date, ...]
    rows: tuple[int, ...]
    churn_rates: tuple[float, ...]
    best_aucs: tuple[float, ...]


def simulate(
    folder: Path,
    *,
    users: int,
    months: int,
    seed: int,
    start: date = date(2024, 1, 31),
    notify: Callable[[str], None],
) -> SimulateReceipt:
    """Write `months` drops of about `users` users each as `folder`/month_000, month_001, …

    One drop at a time is in memory. Equal arguments write equal bytes. The number of months does
    not change a drop: a call for more months leaves the first ones as they are.
    """
    has_changes = False
    drops: list[tuple[Path, date, int, float, float]] = []
    for number, month in enumerate(simulate_months(users, months, seed, start)):
        target = folder / f"month_{number:03d}"
        origin = (
            f"users {users}, seed {seed}, start {start.isoformat()}, month {number}. "
            "Nobody in it is a real person."
        )
        is_written = write_drop(target, month.tables, month.as_of, origin=origin)
        has_changes |= is_written
        rows = month.tables["users"].height
        notify(
            f"{target}  as of {month.as_of.isoformat()}: {count_of(rows, 'user')}, "
            f"churn {month.churn_rate:.4f}, best possible AUC {month.best_auc:.4f}"
            f"{'' if is_written else ' (unchanged)'}"
        )
        drops.append((target, month.as_of, rows, month.churn_rate, month.best_auc))
    next_folder = folder / f"month_{months:03d}"
    if has_changes and next_folder.exists():
        notify(
            f"{next_folder} was left as it is: it is not the month after {target}. "
            "Move it away before you ingest it"
        )
    return SimulateReceipt(*(tuple(column) for column in zip(*drops, strict=True)))
