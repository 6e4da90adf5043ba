"""The simulated subscribers and how they change from month to month. All of it is invented.

`drops` describes why users leave. The bytes are equal on every machine: random numbers come from
`random_streams` alone, and what is computed from them is IEEE arithmetic (without logarithms, BLAS
or float sums in an undefined order). The one exception is the exp of the churn probability: its
last bit may depend on the processor, and would change one label in about 10^15.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.simulation.profiles import STREAMING, profiles
from streamflow.simulation.random_streams import Floats, Purpose, stream
from streamflow.simulation.usage import HABITS, scores
from streamflow.simulation.user_ids import user_ids

# Share of the users who add or drop a streaming plan in a month. It is small, because a profile is
# nearly constant.
PLAN_CHANGE_SHARE = 0.01
# A population is within 2 % of the requested size, so that two drops usually differ in their rows.
SIZE_SPREAD = 0.02
# The profile of 7590-VHVEG in the first drop; money in cents.
ANCHOR_PROFILE = {
    "contract_type": "Month-to-month",
    "net_service": "DSL",
    "plan_stream_tv": False,
    "plan_stream_movies": False,
    "paperless_billing": True,
    "fee": 2985,
    "paid": 2985,
}


@dataclass(frozen=True)
class Population:
    """The users of one simulated drop.

    Attributes:
        people: (n, profile); money is in cents.
        scores: (habits, n).
        users_so_far: The number of users of all drops until now.
    """

    people: pl.DataFrame
    scores: Floats
    users_so_far: int


def founders(seed: int, users: int, as_of: date) -> Population:
    """Make the users of the first drop: 0 to 60 months active, 7590-VHVEG first.

    >>> people = founders(1, 100, date(2024, 1, 31)).people
    >>> people.select("user_id", "months_active", "fee").row(0)
    ('7590-VHVEG', 1, 2985)
    """
    random = stream(seed, 0, Purpose.PROFILE)
    fraction = random.random(users)
    # More users are young than old.
    months = 61 * fraction * (0.5 + 0.5 * fraction)
    months_active = np.floor(months).astype(np.int64)
    months_active[0] = 1
    people = profiles(random, user_ids(seed, 0, users), as_of, months_active)
    anchor = people.head(1)
    for name, value in ANCHOR_PROFILE.items():
        column = pl.lit(value, people.schema[name])
        anchor = anchor.with_columns(column.alias(name))
    no_scores = np.empty((len(HABITS), 0))
    return Population(
        people=pl.concat([anchor, people.tail(-1)]),
        scores=scores(seed, 0, no_scores, users),
        users_so_far=users,
    )


def next_month(
    previous: Population,
    has_left: NDArray[np.bool_],
    *,
    seed: int,
    month: int,
    users: int,
    as_of: date,
) -> Population:
    """Make the population of the next month.

    Users who left are gone, the rest are a month older, and new users fill up to about `users`.
    `month` is the number of the next month, from 0 on.

    >>> first = founders(1, 100, date(2024, 1, 31))
    >>> second = next_month(
    ...     first, np.arange(100) >= 40, seed=1, month=1, users=100, as_of=date(2024, 2, 29)
    ... )
    >>> months = second.people["months_active"].to_list()
    >>> months[:40] == (first.people["months_active"][:40] + 1).to_list()
    True
    >>> months[40:] == [0] * (second.users_so_far - 100)
    True
    """
    has_stayed = pl.Series(~has_left)
    changes = stream(seed, month, Purpose.CHANGES)
    stayed = change_plans(previous.people.filter(has_stayed), changes)
    stayed = stayed.with_columns(pl.col("months_active") + 1, pl.col("paid") + pl.col("fee"))
    random = stream(seed, month, Purpose.PROFILE)
    deviation = SIZE_SPREAD * (2 * random.random() - 1)
    size = round(users * (1 + deviation))
    new_users = max(size - stayed.height, 0)
    new_ids = user_ids(seed, previous.users_so_far, new_users)
    no_months = np.zeros(new_users, dtype=np.int64)
    joined = profiles(random, new_ids, as_of, no_months)
    return Population(
        people=pl.concat([stayed, joined]),
        scores=scores(seed, month, previous.scores[:, ~has_left], new_users),
        users_so_far=previous.users_so_far + new_users,
    )


def change_plans(people: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """Let a few users add or drop a streaming plan, and adapt their fee.

    The first user, 7590-VHVEG, never changes a plan.

    >>> people = founders(1, 1000, date(2024, 1, 31)).people
    >>> changed = change_plans(people, stream(1, 1, Purpose.CHANGES))
    >>> int((people["fee"] != changed["fee"]).sum())
    14
    """
    for plan in ("plan_stream_tv", "plan_stream_movies"):
        draw = random.random(people.height)
        draw[0] = 1.0
        has_plan = pl.col(plan)
        drawn = pl.Series(draw < PLAN_CHANGE_SHARE)
        changes = pl.lit(drawn) & has_plan.is_not_null()
        # +1 for a user who adds the plan, -1 for a user who drops it.
        direction = 1 - 2 * has_plan.cast(pl.Int64)
        change = pl.when(changes).then(direction).otherwise(0)
        fee_change = change * STREAMING
        new_plan = pl.when(changes).then(~has_plan).otherwise(has_plan)
        new_fee = pl.col("fee") + fee_change
        people = people.with_columns(new_plan.alias(plan), new_fee)
    return people
