"""simulate: write drops whose churn mechanism is known, to try and to measure the rest with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from streamflow.files.drop_folders import write_drop
from streamflow.simulation.drops import simulate_months


@dataclass(frozen=True)
class SimulateReceipt:
    """What was simulated; one entry per drop in each field."""

    folders: tuple[Path, ...]
    as_ofs: tuple[date, ...]
    rows: tuple[int, ...]
    churn_rates: tuple[float, ...]
    best_aucs: tuple[float, ...]  # of the true probabilities: in expectation no model ranks better


def simulate(
    folder: Path,
    *,
    users: int,
    months: int,
    seed: int,
    start: date = date(2024, 1, 31),
    notify: Callable[[str], None],
) -> SimulateReceipt:
    """Write `months` drops of about `users` users as `folder`/month_000, month_001, …, one in memory at a time.

    Equal arguments write equal bytes. The number of months is no part of a drop: asking for more leaves the first
    ones as they are.
    """
    changed = False
    receipts: list[tuple[Path, date, int, float, float]] = []
    for number, month in enumerate(simulate_months(users, months, seed, start)):
        target = folder / f"month_{number:03d}"
        origin = f"users {users}, seed {seed}, start {start.isoformat()}, month {number}. Nobody in it is a real person."
        written = write_drop(target, month.tables, month.as_of, origin=origin)
        changed |= written
        rows = month.tables["users"].height
        notify(
            f"{target}  as of {month.as_of.isoformat()}: {rows} users, churn {month.churn_rate:.4f}, "
            f"best possible AUC {month.best_auc:.4f}{'' if written else ' (unchanged)'}"
        )
        receipts.append((target, month.as_of, rows, month.churn_rate, month.best_auc))
    later = folder / f"month_{months:03d}"
    if changed and later.exists():
        notify(
            f"{later} was left as it is: it is not the month after {target}, move it away before you ingest it"
        )
    return SimulateReceipt(*(tuple(column) for column in zip(*receipts, strict=True)))
