"""The drops of a gym that does not exist.

Integer keys, four files, two months, and a reason to cancel that can be learned.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

MONTHS = (datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC))
PRICES = {"Basic": 19.9, "Plus": 34.9, "Premium": 59.9}


def write_gym(folder: Path, *, members: int = 600, seed: int = 7) -> list[Path]:
    """Write `folder`/month_000 and month_001.

    Who cancels in the first month is absent in the second. Equal arguments give equal bytes.
    """
    rng = np.random.default_rng(seed)
    plan = rng.choice(list(PRICES), members, p=[0.5, 0.35, 0.15])
    people = pl.DataFrame(
        {
            "member_id": np.arange(1, members + 1),
            "joined_on": [
                date(2023, 12, 31) - timedelta(days=int(d)) for d in rng.integers(0, 1500, members)
            ],
            "age": rng.integers(16, 80, members),
            "home_club": rng.choice(["Harbour", "Old Town", "West"], members),
            "heard_from": rng.choice(["friend", "web", None], members, p=[0.4, 0.4, 0.2]),
            "locker": [f"L{n:04}" for n in rng.permutation(members)],
            "plan": plan,
            "monthly_price": [PRICES[p] for p in plan],
            "auto_renew": rng.random(members) < 0.6,
        }
    )
    habit = rng.gamma(2.0, 4.0, members)  # visits that a member tends to make in 30 days
    folders = []
    for number, as_of in enumerate(MONTHS):
        visits = rng.poisson(habit[people["member_id"].to_numpy() - 1])
        cancelled = _cancelled(rng, visits, people["auto_renew"].to_numpy())
        month = folder / f"month_{number:03}"
        folders.append(_write(month, rng, people, visits, cancelled, as_of.date()))
        people = people.filter(~pl.Series(cancelled))
    return folders


def _cancelled(rng: np.random.Generator, visits: np.ndarray, renews: np.ndarray) -> np.ndarray:
    """Who comes rarely and has to renew by hand cancels most often."""
    odds = 0.8 - 0.35 * visits + 0.8 * ~renews
    return rng.random(len(visits)) < 1 / (1 + np.exp(-odds))


def _write(
    folder: Path,
    rng: np.random.Generator,
    people: pl.DataFrame,
    visits: np.ndarray,
    cancelled: np.ndarray,
    as_of: date,
) -> Path:
    key, count, came = people["member_id"], len(people), visits > 0
    end = datetime.combine(as_of, datetime.min.time())
    last = [
        f"{end - timedelta(minutes=int(m)):%Y-%m-%d %H:%M:%S}"
        for m in rng.integers(60, 40_000, count)
    ]
    minutes = pl.Series(rng.normal(62, 15, count).clip(10, 150).round(1))
    files = {
        "members": people.select(
            "member_id", "joined_on", "age", "home_club", "heard_from", "locker"
        ),
        "plans": people.select("member_id", "plan", "monthly_price", "auto_renew"),
        "visits": pl.DataFrame(
            {"member_id": key, "visits_30d": visits, "avg_minutes": minutes, "last_visit": last}
        ).with_columns(
            pl.when(pl.Series(came)).then(
                pl.col("avg_minutes", "last_visit")
            )  # who did not come has neither
        ),
        "cancellations": pl.DataFrame({"member_id": key, "cancelled": cancelled}),
    }
    folder.mkdir(parents=True)
    for name, frame in files.items():
        shuffled = frame[rng.permutation(count)]
        words = (
            pl.when(pl.col(pl.Boolean)).then(pl.lit("True")).otherwise(pl.lit("False")).name.keep()
        )
        shuffled.with_columns(words).write_csv(folder / f"{name}.csv")
    return folder


if __name__ == "__main__":
    for written in write_gym(Path(sys.argv[1])):
        print(written)
