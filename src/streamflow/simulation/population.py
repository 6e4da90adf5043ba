"""The simulated subscribers and how they live from month to month. All of it is invented; see `simulation`.

Equal bytes on every machine: the only random number taken is a uniform of PCG64, from one `SeedSequence` stream per
month and purpose, and what is computed from it is IEEE arithmetic (no logarithm, no BLAS, no float sum of free order).
The one exception is the exp of the churn probability: its last bit may depend on the processor, and would change one
label in about 10^15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from math import sqrt
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LETTERS = 26**5
IDS = 10_000 * LETTERS  # dddd-XXXXX: 118,813,760,000 of them
ANCHOR = (
    7590 * LETTERS + 9_733_834
)  # 7590-VHVEG, in every drop: the user that the documentation asks for
CHANGE = 0.01  # share of users who add or drop a streaming plan in a month: rare, a profile is nearly constant
STREAMING = 1000  # cents a month for one of the two plans
SIZE_SPREAD = 0.02  # a population is within 2 % of the size asked for, so that no two drops need have equal rows


class Purpose(IntEnum):
    """Each has a random stream of its own, so that a change in one leaves the others as they are."""

    IDS = 0
    PROFILE = 1
    USAGE = 2
    CHANGES = 3
    CHURN = 4


class Habit(NamedTuple):
    """A measured column: `centre + spread * score`, rounded and clipped; the score is about normal, sd 1."""

    centre: float
    spread: float
    low: float
    high: float
    decimals: int
    persistence: float  # correlation of the score with last month's


HABITS: Mapping[str, Habit] = MappingProxyType(
    {  # centre and spread near the real drops; a count of few values is a rounded score too: tickets are 0 for 75 %
        "watch_hours_30d": Habit(29.5, 6.8, 0, 60, 2, 0.8),
        "avg_session_mins_7d": Habit(29.1, 5.0, 1, 90, 2, 0.6),  # one constant in the real drops
        "unique_devices_30d": Habit(2.0, 1.16, 1, 3, 0, 0.9),
        "skips_7d": Habit(5.0, 2.2, 0, 14, 0, 0.5),
        "rebuffer_events_7d": Habit(2.4, 1.5, 0, 10, 0, 0.5),
        "failed_payments_90d": Habit(
            -0.21, 0.71, 0, 3, 0, 2 / 3
        ),  # the window keeps two of its three months
        "support_tickets_90d": Habit(-0.1, 0.9, 0, 4, 0, 2 / 3),
        "ticket_avg_resolution_hrs_90d": Habit(10.0, 3.9, 1, 25, 1, 2 / 3),
    }
)


@dataclass(frozen=True)
class Population:
    """The users of one drop: `people` (n, profile; money in cents), `scores` (habits, n), `ever` users until now."""

    people: pl.DataFrame
    scores: Floats
    ever: int


def stream(seed: int, month: int, purpose: Purpose) -> np.random.Generator:
    """The random stream of one month and purpose.

    >>> stream(1, 0, Purpose.USAGE).random() == stream(1, 0, Purpose.CHURN).random()
    False
    """
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(month, int(purpose))))
    )


def normal(random: np.random.Generator, count: int) -> Floats:
    """About normal, mean 0 and sd 1, within ±3.47: the sum of four uniforms, which needs no logarithm, (count,).

    >>> bool(abs(normal(stream(1, 0, Purpose.USAGE), 10_000).std() - 1) < 0.02)
    True
    """
    total = (
        random.random(count) + random.random(count) + random.random(count) + random.random(count)
    )
    return np.asarray(sqrt(3) * (total - 2))


def user_ids(seed: int, first: int, count: int) -> pl.Series:
    """The ids of the users number `first` .. `first + count - 1` ever; number 0 is 7590-VHVEG.

    A step that shares no factor with the number of ids visits each of them once before it meets one again.

    >>> user_ids(1, 0, 1).to_list()
    ['7590-VHVEG']
    >>> user_ids(1, 0, 9).tail(3).equals(user_ids(1, 6, 3))
    True
    """
    step = (
        IDS // 4 // 130 * 130 + 130 * int(stream(seed, 0, Purpose.IDS).random() * (IDS // 260)) + 47
    )  # 130 = 2*5*13
    number = (
        ANCHOR + step * np.arange(first, first + count, dtype=np.uint64)
    ) % IDS  # below 2^64 for 10^8 users
    text = np.empty((count, 10), dtype=np.uint8)
    for place in (9, 8, 7, 6, 5):
        number, letter = np.divmod(number, np.uint64(26))
        text[:, place] = letter + ord("A")
    text[:, 4] = ord("-")
    for place in (3, 2, 1, 0):
        number, digit = np.divmod(number, np.uint64(10))
        text[:, place] = digit + ord("0")
    return pl.Series("user_id", text.view("S10").ravel().astype("U10"))


def signup_dates(
    as_of: date, months_active: NDArray[np.int64], part: Floats
) -> NDArray[np.datetime64]:
    """A day in the calendar month that lies `months_active` before that of `as_of`; `part` in [0, 1) says which.

    >>> signup_dates(date(2024, 3, 31), np.array([0, 1]), np.array([0.999, 0.999])).astype(str).tolist()
    ['2024-03-31', '2024-02-29']
    """
    month = np.datetime64(as_of, "M") - months_active
    first = month.astype("datetime64[D]")
    days = ((month + 1).astype("datetime64[D]") - first).astype(np.int64)
    return np.asarray(first + np.floor(part * days).astype(np.int64))


def profiles(
    random: np.random.Generator, ids: pl.Series, as_of: date, months_active: NDArray[np.int64]
) -> pl.DataFrame:
    """New profiles for `ids`; who has been here longer is more often bound by a contract, (n, profile).

    >>> random = stream(1, 0, Purpose.PROFILE)
    >>> frame = profiles(random, user_ids(1, 0, 3), date(2024, 1, 31), np.array([0, 5, 60]))
    >>> frame.height, bool((frame["paid"] == frame["fee"] * frame["months_active"]).all())
    (3, True)
    """

    def share(probability: float | Floats) -> NDArray[np.bool_]:
        return random.random(len(ids)) < probability

    def among(
        first: float | Floats, second: float | Floats, names: tuple[str, str, str]
    ) -> NDArray[np.str_]:
        draw = random.random(len(ids))
        return np.where(draw < first, names[0], np.where(draw < first + second, names[1], names[2]))

    years = months_active / 12
    net = among(0.44, 0.34, ("Fiber optic", "DSL", "No"))
    tv, movies = share(0.49), share(0.5)
    base = np.select([net == "Fiber optic", net == "DSL"], [6800, 4200], 1825)
    extras = np.select(
        [net == "Fiber optic", net == "DSL"], [615, 400], 170
    )  # in steps of 5 cents, up to 30.75
    fee = base + 5 * np.floor(random.random(len(ids)) * (extras + 1)).astype(np.int64)
    fee = fee + np.where(net == "No", 0, STREAMING * (tv.astype(np.int64) + movies))
    return pl.DataFrame(
        {
            "user_id": ids,
            "signup_date": signup_dates(as_of, months_active, random.random(len(ids))),
            "user_gender": np.where(share(0.5), "Male", "Female"),
            "user_is_senior": share(0.16),
            "has_family": share(0.48),
            "has_dependents": share(0.3),
            "months_active": months_active,
            "plan_stream_tv": tv,
            "plan_stream_movies": movies,
            "contract_type": among(
                0.1 + 0.12 * years, 0.11 + 0.03 * years, ("Two year", "One year", "Month-to-month")
            ),
            "paperless_billing": share(0.59),
            "fee": fee,
            "paid": fee * months_active,
            "net_service": net,
        }
    ).with_columns(
        pl.when(pl.col("net_service") != "No").then(pl.col("plan_stream_tv", "plan_stream_movies"))
    )


def founders(seed: int, users: int, as_of: date) -> Population:
    """The users of the first drop: 0 to 60 months active, 7590-VHVEG first.

    >>> founders(1, 100, date(2024, 1, 31)).people.select("user_id", "months_active", "fee").row(0)
    ('7590-VHVEG', 1, 2985)
    """
    random = stream(seed, 0, Purpose.PROFILE)
    part = random.random(users)
    months_active = np.floor(61 * part * (0.5 + 0.5 * part)).astype(
        np.int64
    )  # more young than old ones
    months_active[0] = 1
    people = profiles(random, user_ids(seed, 0, users), as_of, months_active)
    known = {
        "contract_type": "Month-to-month",
        "net_service": "DSL",
        "plan_stream_tv": False,
        "plan_stream_movies": False,
    }
    known |= {"paperless_billing": True, "fee": 2985, "paid": 2985}
    anchor = people.head(1).with_columns(
        pl.lit(value, people.schema[name]).alias(name) for name, value in known.items()
    )
    return Population(
        pl.concat([anchor, people.tail(-1)]),
        scores(seed, 0, np.empty((len(HABITS), 0)), users),
        users,
    )


def next_month(
    before: Population, left: NDArray[np.bool_], *, seed: int, month: int, users: int, as_of: date
) -> Population:
    """One month later: those who `left` are gone, the others are a month older, new users fill up to about `users`.

    >>> first = founders(1, 100, date(2024, 1, 31))
    >>> second = next_month(first, np.arange(100) >= 40, seed=1, month=1, users=100, as_of=date(2024, 2, 29))
    >>> second.people["months_active"].to_list()[:40] == [months + 1 for months in first.people["months_active"][:40]]
    True
    >>> second.people["months_active"].to_list()[40:] == [0] * (second.ever - 100)
    True
    """
    stayed = change_plans(
        before.people.filter(pl.Series(~left)), stream(seed, month, Purpose.CHANGES)
    )
    stayed = stayed.with_columns(pl.col("months_active") + 1, pl.col("paid") + pl.col("fee"))
    random = stream(seed, month, Purpose.PROFILE)
    size = round(users * (1 + SIZE_SPREAD * (2 * random.random() - 1)))
    count = max(size - stayed.height, 0)
    joined = profiles(
        random, user_ids(seed, before.ever, count), as_of, np.zeros(count, dtype=np.int64)
    )
    return Population(
        pl.concat([stayed, joined]),
        scores(seed, month, before.scores[:, ~left], count),
        before.ever + count,
    )


def change_plans(people: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """A few users add or drop a streaming plan, and the fee follows; never 7590-VHVEG, the first.

    >>> people = founders(1, 1000, date(2024, 1, 31)).people
    >>> changed = change_plans(people, stream(1, 1, Purpose.CHANGES))
    >>> int((people["fee"] != changed["fee"]).sum())
    14
    """
    for plan in ("plan_stream_tv", "plan_stream_movies"):
        draw = random.random(people.height)
        draw[0] = 1.0
        chosen = pl.lit(pl.Series(draw < CHANGE)) & pl.col(plan).is_not_null()
        people = people.with_columns(
            pl.when(chosen).then(~pl.col(plan)).otherwise(pl.col(plan)).alias(plan),
            pl.col("fee")
            + pl.when(chosen).then(1 - 2 * pl.col(plan).cast(pl.Int64)).otherwise(0) * STREAMING,
        )
    return people


def scores(seed: int, month: int, before: Floats, joined: int) -> Floats:
    """This month's scores, last month's carried on: those who stayed first, then `joined` new ones, (habits, n).

    >>> scores(1, 1, scores(1, 0, np.empty((len(HABITS), 0)), 5), 2).shape
    (8, 7)
    """
    random = stream(seed, month, Purpose.USAGE)
    rows = []
    for habit, past in zip(HABITS.values(), before, strict=True):
        noise = sqrt(1 - habit.persistence**2)  # keeps the variance at 1
        stayed = habit.persistence * past + noise * normal(random, len(past))
        rows.append(np.concatenate([stayed, normal(random, joined)]))
    return np.stack(rows)


def measured(habit: Habit, score: Floats) -> pl.Series:
    """The column that a score shows as: whole numbers where no decimals are, (n,).

    >>> measured(HABITS["watch_hours_30d"], np.array([0.0, 0.1234])).to_list()
    [29.5, 30.34]
    >>> measured(HABITS["support_tickets_90d"], np.array([-3.0, 2.0])).to_list()
    [0, 2]
    """
    scale = 10**habit.decimals
    values = np.clip(
        np.rint((habit.centre + habit.spread * score) * scale) / scale, habit.low, habit.high
    )
    return pl.Series(values if habit.decimals else values.astype(np.int64))
