"""Simulated drops with a churn mechanism that is known. The data are invented: they tell nothing about real users.

A user leaves within the month after a drop when ``tendency + u > 0``, where ``u``, drawn anew for each user and month
from the standard logistic distribution (sd 1.81), stands for all causes that no column tells. Hence

    P(churn | columns) = 1 / (1 + exp(-tendency))

with the tendency (log-odds) of `TENDENCY`; the same in every month, so that a model of January is good in February
too. The signs are those that churn of telecom and streaming is known for; the sizes are chosen, so that about a
quarter leaves each month and the best possible AUC is about 0.85, near the drops that this imitates:

    tendency = -0.70                                          new, month-to-month, on DSL; all else at its usual value
               - 2.00 * months_active / (months_active + 12)  loyalty: half of it after a year, then ever less
               - 0.80 one year, - 1.60 two years              bound by a contract
               + 1.10 fiber, - 1.30 no net service            fiber has rivals; without net little can be switched
               + 0.01 * (monthly_fee - 65)                    price
               + 0.25 paperless, + 0.25 senior, - 0.25 dependents
               + 0.90 * failed_payments_90d                   involuntary churn
               + 0.65 * support_tickets_90d                   annoyance
               + 0.20 * (rebuffer_events_7d - 2)              annoyance
               - 0.08 * (watch_hours_30d - 30)                who watches, stays

`best_auc` is the AUC of these true probabilities against the drawn labels: in expectation no model can rank better,
since the probability holds all that the columns tell (on one drop a model can be above it by luck only). A model of
the 14 features stays below: contract, age and dependents are not among them. As the loyal stay, the rate falls
slowly (0.245 at first, 0.21 after a year) and the best AUC rises (0.845, 0.87).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.simulation.population import (
    HABITS,
    Floats,
    Population,
    Purpose,
    founders,
    measured,
    next_month,
    stream,
)

LAYOUT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "users": ("signup_date", "user_gender", "user_is_senior", "has_family", "has_dependents"),
        "subscriptions": (
            "months_active", "plan_stream_tv", "plan_stream_movies", "contract_type",
            "paperless_billing", "monthly_fee", "total_paid", "net_service",
        ),
        "usage_agg_30d": (
            "watch_hours_30d", "avg_session_mins_7d", "unique_devices_30d", "skips_7d", "rebuffer_events_7d",
        ),
        "payments_agg_90d": ("failed_payments_90d",),
        "support_agg_90d": ("support_tickets_90d", "ticket_avg_resolution_hrs_90d"),
        "labels": ("churn_label",),
    }
)  # fmt: skip


def _is(column: str, value: str | bool) -> pl.Expr:
    return (pl.col(column) == value).cast(pl.Float64)


_MONTHS = pl.col("months_active")
TENDENCY = (  # as in the docstring above
    -0.7
    - 2.0 * _MONTHS / (_MONTHS + 12)
    - 0.8 * _is("contract_type", "One year")
    - 1.6 * _is("contract_type", "Two year")
    + 1.1 * _is("net_service", "Fiber optic")
    - 1.3 * _is("net_service", "No")
    + 0.01 * (pl.col("monthly_fee") - 65)
    + 0.25 * _is("paperless_billing", True)
    + 0.25 * _is("user_is_senior", True)
    - 0.25 * _is("has_dependents", True)
    + 0.9 * pl.col("failed_payments_90d")
    + 0.65 * pl.col("support_tickets_90d")
    + 0.2 * (pl.col("rebuffer_events_7d") - 2)
    - 0.08 * (pl.col("watch_hours_30d") - 30)
)


@dataclass(frozen=True)
class Month:
    """One simulated drop: its tables as `LAYOUT` names them, and the truth behind its labels, row by row."""

    as_of: date
    tables: dict[str, pl.DataFrame]
    probability: Floats
    best_auc: float
    churn_rate: float


def simulate_months(users: int, months: int, seed: int, start: date) -> Iterator[Month]:
    """`months` drops of about `users` users, one at a time; the first as of the end of `start`'s month.

    Who is labelled in a drop is absent from the next one. Equal arguments give equal months; more months do not
    change the earlier ones.

    >>> first, second = simulate_months(500, 2, seed=1, start=date(2024, 1, 31))
    >>> first.as_of.isoformat(), second.as_of.isoformat(), first.tables["users"].item(0, "user_id")
    ('2024-01-31', '2024-02-29', '7590-VHVEG')
    >>> leavers = first.tables["labels"].filter("churn_label")
    >>> second.tables["users"].join(leavers, on="user_id").height
    0
    """
    population = founders(seed, users, month_end(start, 0))
    for month in range(months):
        as_of = month_end(start, month)
        current = _month(
            population, as_of, stream(seed, month, Purpose.CHURN).random(population.people.height)
        )
        yield current
        if month + 1 < months:
            left = current.tables["labels"]["churn_label"].to_numpy()
            population = next_month(
                population,
                left,
                seed=seed,
                month=month + 1,
                users=users,
                as_of=month_end(start, month + 1),
            )


def _month(population: Population, as_of: date, draw: Floats) -> Month:
    people = population.people
    usage = [
        measured(habit, score).alias(name)
        for (name, habit), score in zip(HABITS.items(), population.scores, strict=True)
    ]
    money = {
        name: pl.Series(people[cents].to_numpy() / 100)
        for name, cents in (("monthly_fee", "fee"), ("total_paid", "paid"))
    }
    frame = people.with_columns(
        *usage, **money
    )  # divided by numpy: polars takes times 0.01, and 103.85 ends in …0001
    probability = churn_probability(frame)
    probability[0] = 0.0  # 7590-VHVEG stays, so that every month can be asked for it
    churned = draw < probability
    frame = frame.with_columns(pl.Series("churn_label", churned))
    tables = {name: frame.select("user_id", *columns) for name, columns in LAYOUT.items()}
    return Month(as_of, tables, probability, auc(probability, churned), float(churned.mean()))


def churn_probability(frame: pl.DataFrame) -> Floats:
    """The true probability of leaving within the month, from the columns of `TENDENCY`, (n,).

    >>> drop = next(simulate_months(50, 1, seed=1, start=date(2024, 1, 31)))
    >>> from functools import reduce
    >>> frame = reduce(lambda left, right: left.join(right, on="user_id"), drop.tables.values())
    >>> bool((churn_probability(frame)[1:] == drop.probability[1:]).all())
    True
    """
    return np.asarray(1 / (1 + np.exp(-frame.select(TENDENCY).to_series().to_numpy())))


def auc(probability: Floats, label: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a random churner ranks above a random other; ties half; nan without both.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    0.875
    """
    positives = int(label.sum())
    pairs = positives * (len(label) - positives)
    ranks = pl.Series(probability).rank("average").to_numpy()[label].sum()
    return float((ranks - positives * (positives + 1) / 2) / pairs) if pairs else float("nan")


def month_end(start: date, months: int) -> date:
    """The last day of the month that lies `months` after that of `start`.

    >>> month_end(date(2024, 1, 31), 1)
    datetime.date(2024, 2, 29)
    """
    years, month = divmod(start.month + months, 12)  # the month after, from 0
    return date(start.year + years, month + 1, 1) - timedelta(days=1)
