"""Profiles of new simulated users: who they are, what they subscribed to, and what they pay."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.simulation.random_streams import Floats

# Cents a month for one of the two streaming plans.
STREAMING = 1000

Integers = NDArray[np.int64]


def signup_dates(as_of: date, months_active: Integers, fraction: Floats) -> NDArray[np.datetime64]:
    """Return a day in the calendar month that is `months_active` months before that of `as_of`.

    Args:
        as_of: The instant of the drop.
        months_active: (n,).
        fraction: Which day of the month, in [0, 1), (n,).

    >>> dates = signup_dates(date(2024, 3, 31), np.array([0, 1]), np.array([0.999, 0.999]))
    >>> dates.astype(str).tolist()
    ['2024-03-31', '2024-02-29']
    """
    month = np.datetime64(as_of, "M") - months_active.astype("timedelta64[M]")
    first_day = month.astype("datetime64[D]")
    first_day_of_next = (month + np.timedelta64(1, "M")).astype("datetime64[D]")
    days_in_month = (first_day_of_next - first_day).astype(np.int64)
    days_later = np.floor(fraction * days_in_month).astype("timedelta64[D]")
    return np.asarray(first_day + days_later)


def profiles(
    random: np.random.Generator,
    ids: pl.Series,
    as_of: date,
    months_active: Integers,
) -> pl.DataFrame:
    """Draw new profiles for `ids`, (n, profile); money is in cents.

    The order of the draws is part of the simulated data: it must not change.

    >>> from streamflow.simulation.random_streams import Purpose, stream
    >>> from streamflow.simulation.user_ids import user_ids
    >>> random = stream(1, 0, Purpose.PROFILE)
    >>> months_active = np.array([0, 5, 60])
    >>> frame = profiles(random, user_ids(1, 0, 3), date(2024, 1, 31), months_active)
    >>> frame.height, bool((frame["paid"] == frame["fee"] * frame["months_active"]).all())
    (3, True)
    """
    count = len(ids)
    net_service = _choose(random, count, 0.44, 0.34, ("Fiber optic", "DSL", "No"))
    has_tv = _flags(random, count, 0.49)
    has_movies = _flags(random, count, 0.5)
    fee = _fee(random, net_service, has_tv, has_movies)
    # The draws happen in the order of these lines.
    frame = pl.DataFrame(
        {
            "user_id": ids,
            "signup_date": signup_dates(as_of, months_active, random.random(count)),
            "user_gender": np.where(_flags(random, count, 0.5), "Male", "Female"),
            "user_is_senior": _flags(random, count, 0.16),
            "has_family": _flags(random, count, 0.48),
            "has_dependents": _flags(random, count, 0.3),
            "months_active": months_active,
            "plan_stream_tv": has_tv,
            "plan_stream_movies": has_movies,
            "contract_type": _contracts(random, months_active),
            "paperless_billing": _flags(random, count, 0.59),
            "fee": fee,
            "paid": fee * months_active,
            "net_service": net_service,
        }
    )
    return _without_impossible_plans(frame)


def _contracts(random: np.random.Generator, months_active: Integers) -> NDArray[np.str_]:
    """Draw a contract for each user; who has been here longer more often has a long one, (n,)."""
    years = months_active / 12
    two_years_share = 0.1 + 0.12 * years
    one_year_share = 0.11 + 0.03 * years
    names = ("Two year", "One year", "Month-to-month")
    return _choose(random, len(years), two_years_share, one_year_share, names)


def _without_impossible_plans(frame: pl.DataFrame) -> pl.DataFrame:
    """Remove the streaming plans of users without a net service: they become null."""
    has_net_service = pl.col("net_service") != "No"
    plans = pl.col("plan_stream_tv", "plan_stream_movies")
    return frame.with_columns(pl.when(has_net_service).then(plans))


def _flags(random: np.random.Generator, count: int, probability: float) -> NDArray[np.bool_]:
    """Draw true with this probability, (count,)."""
    return random.random(count) < probability


def _choose(
    random: np.random.Generator,
    count: int,
    first_share: float | Floats,
    second_share: float | Floats,
    names: tuple[str, str, str],
) -> NDArray[np.str_]:
    """Draw one of three names for each user, (count,). The third name gets the remaining share."""
    draw = random.random(count)
    is_second = draw < first_share + second_share
    second_or_third = np.where(is_second, names[1], names[2])
    return np.where(draw < first_share, names[0], second_or_third)


def _fee(
    random: np.random.Generator,
    net_service: NDArray[np.str_],
    has_tv: NDArray[np.bool_],
    has_movies: NDArray[np.bool_],
) -> Integers:
    """Draw the monthly fee in cents, (n,)."""
    services = [net_service == "Fiber optic", net_service == "DSL"]
    base = np.select(services, [6800, 4200], 1825)
    # In steps of 5 cents, up to 30.75 in the currency.
    largest_extra = np.select(services, [615, 400], 170)
    draw = random.random(len(net_service))
    extra_steps = np.floor(draw * (largest_extra + 1))
    fee = base + 5 * extra_steps.astype(np.int64)
    plans = has_tv.astype(np.int64) + has_movies
    plan_fee = np.where(net_service == "No", 0, STREAMING * plans)
    total: Integers = fee + plan_fee
    return total
