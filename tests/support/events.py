"""A catalog with events, drops for it, and the aggregates as plain Python computes them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streamflow.catalog import Catalog, parse_catalog

CATALOG_TEXT = """
model = "shop_churn"
ttl_days = 62

[entity]
name = "user"
key = "user_id"
table = "users"

[label]
table = "labels"
column = "churned"

[views.users_fv]
table = "users"

[views.payments_fv]
table = "payments"

[tables.users.columns]
fee = { type = "float", min = 0, view = "users_fv" }

[tables.labels.columns]
churned = { type = "bool" }

[events.payments]
time = "paid_at"

[events.payments.columns]
paid_at = { type = "timestamp" }
status = { type = "string", categories = ["ok", "failed"] }
amount = { type = "float", nullable = true }
points = { type = "int", nullable = true }

[events.payments.aggregates]
payments = { count = "true" }
failed_90d = { count = "status = 'failed'", days = 90, view = "payments_fv" }
paid_30d = { sum = "amount", days = 30, view = "payments_fv" }
points_sum = { type = "int", sum = "points" }
mean_amount = { mean = "amount", nullable = true, view = "payments_fv" }
last_status = { type = "string", last = "status", nullable = true, categorical = true, view = "payments_fv" }
last_amount_7d = { type = "float", last = "amount", days = 7, nullable = true }
last_paid = { type = "timestamp", last = "paid_at", nullable = true }
days_since_failed = { days_since = "status = 'failed'", nullable = true, view = "payments_fv" }
"""  # noqa: E501


def events_catalog(old: str = "", new: str = "") -> Catalog:
    """Return the catalog, with `new` in the place of `old`."""
    assert old in CATALOG_TEXT
    return parse_catalog(CATALOG_TEXT.replace(old, new, 1), origin="catalog.toml")


USERS = ("ada", "bob", "cyd", "dan", "eve")
HEADER = "user_id,paid_at,status,amount,points"


def write_drop(
    folder: Path,
    payments: Sequence[str],
    *,
    users: Sequence[str] = USERS,
    labels: Sequence[str] = USERS,
) -> Path:
    """Write a drop whose file of payments has these lines. The first user has churned."""
    folder.mkdir(parents=True)
    lines = {
        "users": ["user_id,fee", *(f"{user},1.5" for user in users)],
        "labels": ["user_id,churned", *(f"{user},{user == users[0]}" for user in labels)],
        "payments": [HEADER, *payments],
    }
    for table, table_lines in lines.items():
        (folder / f"{table}.csv").write_text("\n".join(table_lines) + "\n", encoding="utf-8")
    return folder


PAGE_CATALOG = """
model = "member_churn"
ttl_days = 62

[entity]
name = "member"
key = "member_id"
type = "int"
table = "members"

[label]
table = "labels"
column = "churned"

[views.members_fv]
table = "members"

[tables.members.columns]
fee = { type = "float", min = 0, view = "members_fv" }

[tables.labels.columns]
churned = { type = "bool" }
"""
PAGE_MEMBERS = 400
PAGE_PAYMENTS = 1_274
PAGE_LATE = 12  # payments after the day of the drop


def write_page_drop(folder: Path, events: str) -> None:
    """Write `catalog.toml` with these events, and the simulated drop `data/month_000`.

    The columns are those of docs/how-to/events.md.
    """
    (folder / "catalog.toml").write_text(PAGE_CATALOG + events, encoding="utf-8")
    draw = random.Random(1)
    as_of = datetime(2024, 1, 31, tzinfo=UTC)
    payments = ["member_id,paid_at,status,amount"]
    for number in range(PAGE_PAYMENTS):
        seconds = draw.randint(1, 90 * 86_400)
        time = as_of + timedelta(seconds=seconds if number < PAGE_LATE else -seconds)
        status = draw.choice(["ok", "ok", "failed"])
        member = draw.randint(1, PAGE_MEMBERS)
        payments.append(f"{member},{time:%Y-%m-%d %H:%M:%S},{status},{draw.randint(5, 40)}.9")
    members = range(1, PAGE_MEMBERS + 1)
    fees = [f"{member},{draw.randint(5, 40)}.5" for member in members]
    labels = [f"{member},{draw.random() < 0.3}" for member in members]
    drop = folder / "data" / "month_000"
    drop.mkdir(parents=True)
    files = {
        "members": ["member_id,fee", *fees],
        "labels": ["member_id,churned", *labels],
        "payments": payments,
    }
    for table, lines in files.items():
        (drop / f"{table}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def random_payments(seed: int, count: int, as_of: datetime) -> list[str]:
    """Draw payments around `as_of`: many at equal times, some of them exactly at a border."""
    draw = random.Random(seed)
    days = [0, 7, 30, 90, 91, -1, *(draw.randint(-5, 120) for _ in range(14))]
    lines = []
    for _ in range(count):
        time = as_of - timedelta(days=draw.choice(days))
        time -= timedelta(microseconds=draw.choice([0, 0, 1, -1, 43_200_000_000]))
        amount = draw.choice(["", "-0.0", "0.1", "1e16", "-1e16", repr(draw.uniform(-9, 9))])
        points = draw.choice(["", str(draw.randint(-(2**40), 2**40))])
        status = draw.choice(["ok", "failed"])
        user = draw.choice(USERS[:-1])
        lines.append(f"{user},{time:%Y-%m-%d %H:%M:%S.%f},{status},{amount},{points}")
    return lines


def aggregate_payments(
    lines: Sequence[str], as_of: datetime, user: str
) -> dict[str, int | float | str | datetime | None]:
    """Compute the aggregates of CATALOG_TEXT in plain Python, from the lines of the file."""
    events = []
    for line in lines:
        key, time, status, amount, points = line.split(",")
        at = datetime.fromisoformat(time).replace(tzinfo=UTC)
        if key == user and at <= as_of:
            events.append((at, status, amount, points))
    failed = [event for event in events if event[1] == "failed"]
    newest = max(reversed(events), key=lambda event: event[0], default=None)
    week = [event for event in events if event[0] > as_of - timedelta(days=7)]
    newest_of_week = max(reversed(week), key=lambda event: event[0], default=None)
    month = [event for event in events if event[0] > as_of - timedelta(days=30)]
    amounts = [float(event[2]) for event in events if event[2]]
    return {
        "payments": len(events),
        "failed_90d": sum(event[0] > as_of - timedelta(days=90) for event in failed),
        "paid_30d": _add([float(event[2]) for event in month if event[2]]),
        "points_sum": sum(int(event[3]) for event in events if event[3]),
        "mean_amount": _add(amounts) / len(amounts) + 0.0 if amounts else None,
        "last_status": newest and newest[1],
        "last_amount_7d": float(newest_of_week[2]) + 0.0
        if newest_of_week and newest_of_week[2]
        else None,
        "last_paid": newest and newest[0],
        "days_since_failed": (as_of - max(event[0] for event in failed)).days if failed else None,
    }


def _add(numbers: Sequence[float]) -> float:
    """Add numbers in their order; the sum() of newer Pythons corrects the rounding."""
    total = 0.0
    for number in numbers:
        total += number
    return total
