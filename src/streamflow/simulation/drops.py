"""Simulated drops with a known churn mechanism. The data are invented.

They say nothing about real users. A user leaves within the month after a drop when
``tendency + u > 0``. ``u`` is drawn anew for each user and month from the standard logistic
distribution (sd 1.81). It stands for all causes that no column shows. Hence

    P(churn | columns) = 1 / (1 + exp(-tendency))

with the tendency (log-odds) of `TENDENCY`. It is the same in every month, so that a model of
January is good in February too. The signs are those that are known for churn in telecom and
streaming. The sizes are chosen so that about a quarter of the users leave each month and the best
possible AUC is about 0.85, near the drops that this simulation imitates:

    tendency = -0.70                           new, month-to-month, on DSL; the rest at usual values
               - 2.00 * months_active / (months_active + 12)
                                               loyalty: half of it after a year, then ever less
               - 0.80 one year, - 1.60 two years              bound by a contract
               + 1.10 fiber, - 1.30 no net service            fiber has rivals; without net there
                                                              is little to switch to
               + 0.01 * (monthly_fee - 65)                    price
               + 0.25 paperless, + 0.25 senior, - 0.25 dependents
               + 0.90 * failed_payments_90d                   involuntary churn
               + 0.65 * support_tickets_90d                   annoyance
               + 0.20 * (rebuffer_events_7d - 2)              annoyance
               - 0.08 * (watch_hours_30d - 30)                users who watch stay

`best_auc` is the AUC of these true probabilities against the drawn labels. On average no model can
rank better, because the probability uses all that the columns show (on one drop a model can be
better only by luck). A model of the 14 features stays below it: contract, age and dependents are
not among them. As loyal users stay, the churn rate falls slowly (0.245 at first, 0.21 after a
year) and the best AUC rises (0.845, 0.87).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.simulation.population import Population, founders, next_month
from streamflow.simulation.random_streams import Floats, Purpose, stream
from streamflow.simulation.usage import HABITS, measured

LAYOUT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "users": ("signup_date", "user_gender", "user_is_senior", "has_family", "has_dependents"),
        "subscriptions": (
            "months_active", "plan_stream_tv", "plan_stream_movies", "contract_type",
            "paperless_billing", "monthly_fee", "total_paid", "net_service",
        ),
        "usage_agg_30d": (
            "watch_hours_30d", "avg_session_mins_7d", "unique_devices_30d", "skips_7d",
            "rebuffer_events_7d",
        ),
        "payments_agg_90d": ("failed_payments_90d",),
        "support_agg_90d": ("support_tickets_90d", "ticket_avg_resolution_hrs_90d"),
        "labels": ("churn_label",),
    }
)  # fmt: skip


def _indicator(column: str, value: str | bool) -> pl.Expr:
    return (pl.col(column) == value).cast(pl.Float64)


_MONTHS_ACTIVE = pl.col("months_active")
# The formula of the module's docstring.
TENDENCY = (
    -0.7
    - 2.0 * _MONTHS_ACTIVE / (_MONTHS_ACTIVE + 12)
    - 0.8 * _indicator("contract_type", "One year")
    - 1.6 * _indicator("contract_type", "Two year")
    + 1.1 * _indicator("net_service", "Fiber optic")
    - 1.3 * _indicator("net_service", "No")
    + 0.01 * (pl.col("monthly_fee") - 65)
    + 0.25 * _indicator("paperless_billing", True)
    + 0.25 * _indicator("user_is_senior", True)
    - 0.25 * _indicator("has_dependents", True)
    + 0.9 * pl.col("failed_payments_90d")
    + 0.65 * pl.col("support_tickets_90d")
    + 0.2 * (pl.col("rebuffer_events_7d") - 2)
    - 0.08 * (pl.col("watch_hours_30d") - 30)
)


@dataclass(frozen=True)
class Month:
    """One simulated drop, and the truth behind its labels.

    Attributes:
        tables: The tables that `LAYOUT` names.
        probability: The true churn probability of each user, (n,).
        best_auc: The AUC of these probabilities against the labels.
        churn_rate: The share of users who leave.
    """

    as_of: date
    tables: dict[str, pl.DataFrame]
    probability: Floats
    best_auc: float
    churn_rate: float


def simulate_months(users: int, months: int, seed: int, start: date) -> Iterator[Month]:
    """Simulate `months` drops of about `users` users, one at a time.

    The first drop is as of the end of the month of `start`. A user who is labelled as a leaver in
    one drop is absent from the next one. Equal arguments give equal months. A larger `months` does
    not change the earlier ones.

    >>> first, second = simulate_months(500, 2, seed=1, start=date(2024, 1, 31))
    >>> first.as_of.isoformat(), second.as_of.isoformat(), first.tables["users"].item(0, "user_id")
    ('2024-01-31', '2024-02-29', '7590-VHVEG')
    >>> leavers = first.tables["labels"].filter("churn_label")
    >>> second.tables["users"].join(leavers, on="user_id").height
    0
    """
    population = founders(seed, users, month_end(start, 0))
    for month in range(months):
        random = stream(seed, month, Purpose.CHURN)
        draw = random.random(population.people.height)
        current = _make_month(population, month_end(start, month), draw)
        yield current
        if month + 1 == months:
            return
        population = next_month(
            population,
            current.tables["labels"]["churn_label"].to_numpy(),
            seed=seed,
            month=month + 1,
            users=users,
            as_of=month_end(start, month + 1),
        )


def _make_month(population: Population, as_of: date, draw: Floats) -> Month:
    """Turn a population into tables, and draw its labels.

    Args:
        population: The users of the drop.
        as_of: The instant of the drop.
        draw: A uniform number for each user, (n,).
    """
    columns = [*_usage(population), *_money(population.people)]
    frame = population.people.with_columns(columns)
    probability = churn_probability(frame)
    # 7590-VHVEG stays, so that examples can ask for this user in every month.
    probability[0] = 0.0
    churned = draw < probability
    frame = frame.with_columns(pl.Series("churn_label", churned))
    tables = {name: frame.select("user_id", *names) for name, names in LAYOUT.items()}
    return Month(
        as_of=as_of,
        tables=tables,
        probability=probability,
        best_auc=auc(probability, churned),
        churn_rate=float(churned.mean()),
    )


def _usage(population: Population) -> Iterator[pl.Series]:
    for (name, habit), score in zip(HABITS.items(), population.scores, strict=True):
        yield measured(habit, score).alias(name)


def _money(people: pl.DataFrame) -> Iterator[pl.Series]:
    """Turn cents into the currency.

    numpy divides, because polars multiplies by 0.01 instead, and 103.85 would end in …0001.
    """
    for name, cents in (("monthly_fee", "fee"), ("total_paid", "paid")):
        yield pl.Series(name, people[cents].to_numpy() / 100)


def churn_probability(frame: pl.DataFrame) -> Floats:
    """Return the true probability of leaving within the month, (n,).

    Args:
        frame: The columns of `TENDENCY`.

    >>> drop = next(simulate_months(50, 1, seed=1, start=date(2024, 1, 31)))
    >>> from functools import reduce
    >>> frame = reduce(lambda left, right: left.join(right, on="user_id"), drop.tables.values())
    >>> bool((churn_probability(frame)[1:] == drop.probability[1:]).all())
    True
    """
    tendency = frame.select(TENDENCY).to_series().to_numpy()
    return np.asarray(1 / (1 + np.exp(-tendency)))


def auc(probability: Floats, label: NDArray[np.bool_]) -> float:
    """Compute the area under the ROC curve.

    It is how often a random churner ranks above a random user who stays. Ties count half.

    Returns:
        NaN when a class is absent.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    0.875
    """
    positives = int(label.sum())
    pairs = positives * (len(label) - positives)
    if not pairs:
        return float("nan")
    ranks = pl.Series(probability).rank("average").to_numpy()
    rank_sum = ranks[label].sum()
    smallest_rank_sum = positives * (positives + 1) / 2
    return float((rank_sum - smallest_rank_sum) / pairs)


def month_end(start: date, months: int) -> date:
    """Return the last day of the month that is `months` months after that of `start`.

    >>> month_end(date(2024, 1, 31), 1)
    datetime.date(2024, 2, 29)
    """
    # The number of the following month, from 0 on.
    years, month = divmod(start.month + months, 12)
    first_day_of_next = date(start.year + years, month + 1, 1)
    return first_day_of_next - timedelta(days=1)
