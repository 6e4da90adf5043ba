"""The schedules of the worker over a change to and from summer time: no run is lost or doubled."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from prefect.client.schemas.schedules import CronSchedule as ClientCronSchedule
from prefect.client.schemas.schedules import IntervalSchedule as ClientIntervalSchedule
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule

from streamflow.flow_worker import _deployment
from streamflow.flows import inbox, monthly

BERLIN = ZoneInfo("Europe/Berlin")
# The clock goes from 02:00 to 03:00, and half a year later from 03:00 back to 02:00.
CHANGES = (datetime(2027, 3, 28, 1, tzinfo=UTC), datetime(2027, 10, 31, 1, tzinfo=UTC))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("interval_s", [300, 3_600, 86_400, 30 * 86_400])
def test_an_interval_is_the_same_time_over_the_change(change: datetime, interval_s: int) -> None:
    (schedule,) = _deployment(inbox, {}, interval=interval_s).schedules or ()
    assert isinstance(schedule.schedule, ClientIntervalSchedule)
    asked = IntervalSchedule.model_validate(schedule.schedule.model_dump())
    interval = timedelta(seconds=interval_s)
    runs = asyncio.run(asked.get_dates(n=20, start=change - 10 * interval))
    assert len(runs) == 20
    instants = [run.timestamp() for run in runs]
    assert {round(later - earlier, 3) for earlier, later in pairwise(instants)} == {interval_s}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("hour", [1, 2, 3])
def test_a_daily_time_of_a_user_comes_once_a_day(change: datetime, hour: int) -> None:
    """On the day of the change 02:30 does not exist, or exists twice."""
    deployment = _deployment(monthly, {}, cron=f"30 {hour} * * *")
    assert deployment.schedules
    (schedule,) = deployment.schedules
    assert isinstance(schedule.schedule, ClientCronSchedule)
    asked = CronSchedule(cron=schedule.schedule.cron, timezone="Europe/Berlin")
    runs = asyncio.run(asked.get_dates(n=7, start=change - timedelta(days=3)))
    days = [run.astimezone(BERLIN).date() for run in runs]
    assert days == [days[0] + timedelta(days=number) for number in range(7)]
