"""Sets of several files, and of files that are not CSV, with simulated customers."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import polars as pl

from support.public_sets import Columns, leave, write_csv

DROP = np.datetime64("2024-01-31")


def days_before_drop(days: np.ndarray) -> np.ndarray:
    return DROP - days.astype("timedelta64[D]")


def write_sheet(folder: Path, rows: int = 1_500) -> list[Path]:
    """An Excel file: a title above the header, typed cells, and a date of leaving as the label."""
    import openpyxl

    random = np.random.default_rng(8)
    joined = days_before_drop(random.integers(60, 1_500, rows))
    visits = random.poisson(random.gamma(2, 3, rows))
    left = leave(random, -0.4 * visits, 0.25)
    left_on = days_before_drop(random.integers(0, 30, rows))
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(["Members of the club"])
    sheet.append(["Member ID", "Joined on", "Plan", "Monthly fee", "Visits", "Cancelled on"])
    plans = random.choice(["Basic", "Plus", "Premium"], rows, p=[0.5, 0.35, 0.15])
    for number in range(rows):
        sheet.append(
            [
                1_000 + number,
                joined[number].astype("O"),
                str(plans[number]),
                round(float(random.normal(35, 9)), 2),
                int(visits[number]),
                left_on[number].astype("O") if left[number] else None,
            ]
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "members.xlsx"
    workbook.save(path)
    return [path]


def write_parquet_folder(folder: Path, rows: int = 2_000) -> list[Path]:
    """A folder of typed Parquet files: customers, usage, and the outcome as a bool."""
    random = np.random.default_rng(9)
    hours = random.gamma(2, 10, rows)
    tenure = random.integers(1, 72, rows)
    left = leave(random, -0.08 * hours - 0.03 * tenure, 0.2)
    key = pl.Series("customer_id", np.arange(rows) + 500)
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(
        [
            key,
            pl.Series("tenure_months", tenure.astype(np.int32)),
            pl.Series("segment", random.choice(["home", "office"], rows)).cast(pl.Categorical),
            pl.Series("signed_on", days_before_drop(tenure * 30)).cast(pl.Date),
        ]
    ).write_parquet(folder / "customers.parquet")
    pl.DataFrame(
        [
            key,
            pl.Series("hours_30d", hours),
            pl.Series("devices", random.integers(1, 6, rows).astype(np.int8)),
        ]
    ).write_parquet(folder / "usage.parquet")
    pl.DataFrame([key, pl.Series("churned", left)]).write_parquet(folder / "outcome.parquet")
    return [folder]


def write_relational(folder: Path, rows: int = 1_500) -> list[Path]:
    """Five tables of a shop: two with one row per customer, two of events, and the outcome."""
    random = np.random.default_rng(5)
    activity = random.gamma(2, 1, rows)
    failures = random.poisson(0.6, rows)
    left = leave(random, 1.1 * failures - 0.9 * activity, 0.2)
    ids = [f"U{number:05d}" for number in range(rows)]
    ages = random.integers(18, 80, rows)
    write_csv(folder / "customers.csv", {"customer_id": ids, "age": ages})
    plans = random.choice(["free", "basic", "pro"], rows)
    prices = random.choice([0, 9.9, 19.9], rows)
    write_csv(folder / "plans.csv", {"customer_id": ids, "plan": plans, "price": prices})
    write_csv(folder / "cancellations.csv", {"customer_id": ids, "cancelled": left})
    _write_events(folder / "sessions.csv", random, ids, random.poisson(4 * activity + 1))
    payments = _draw_events(random, ids, failures + 3)
    count = len(payments["customer_id"])
    failed = np.concatenate([np.arange(number + 3) < number for number in failures])
    payments |= {
        "amount": random.gamma(3, 8, count).round(2),
        "status": np.where(failed, "failed", "paid"),
    }
    write_csv(folder / "payments.csv", payments)
    return [folder]


def _draw_events(random: np.random.Generator, ids: list[str], counts: np.ndarray) -> Columns:
    """Draw when the events of each customer happened, in the 90 days before the drop."""
    seconds = random.integers(1, 90 * 86_400, counts.sum())
    instants = np.datetime64("2024-01-31T00:00:00") - seconds.astype("timedelta64[s]")
    return {"customer_id": np.repeat(ids, counts), "happened_at": [f"{i}Z" for i in instants]}


def _write_events(
    path: Path,
    random: np.random.Generator,
    ids: list[str],
    counts: np.ndarray,
) -> None:
    sessions = _draw_events(random, ids, counts)
    count = len(sessions["customer_id"])
    sessions |= {"minutes": random.gamma(2, 20, count).round(1)}
    write_csv(path, sessions)


def write_kkbox(folder: Path, rows: int = 2_000) -> list[Path]:
    """KKBox: hashed keys, dates of eight digits, transactions and daily logs of listening."""
    random = np.random.default_rng(44)
    keys = [base64.b64encode(random.bytes(32)).decode() for _ in range(rows)]
    habit = random.gamma(2, 3, rows)
    renews = random.random(rows) < 0.8
    left = leave(random, -0.5 * habit - 2.5 * renews, 0.09)
    gender = random.choice(["male", "female", ""], rows, p=[0.2, 0.2, 0.6])
    write_csv(
        folder / "members_v3.csv",
        {
            "msno": keys,
            "city": random.integers(1, 23, rows),
            "bd": np.where(random.random(rows) < 0.6, 0, random.integers(14, 70, rows)),
            "gender": gender,
            "registered_via": random.choice([3, 4, 7, 9, 13], rows),
            "registration_init_time": _digits(days_before_drop(random.integers(100, 4_000, rows))),
        },
    )
    paid = np.repeat(np.arange(rows), random.integers(1, 5, rows))
    paid_on = days_before_drop(random.integers(0, 120, len(paid)))
    price = random.choice([99, 149, 180], len(paid))
    write_csv(
        folder / "transactions.csv",
        {
            "msno": np.array(keys)[paid],
            "payment_method_id": random.integers(20, 42, len(paid)),
            "payment_plan_days": random.choice([30, 31, 7], len(paid)),
            "plan_list_price": price,
            "actual_amount_paid": price,
            "is_auto_renew": renews[paid].astype(int),
            "transaction_date": _digits(paid_on),
            "membership_expire_date": _digits(paid_on + np.timedelta64(30, "D")),
            "is_cancel": (random.random(len(paid)) < 0.03).astype(int),
        },
    )
    heard = np.repeat(np.arange(rows), random.poisson(habit) + 1)
    logs: Columns = {
        "msno": np.array(keys)[heard],
        "date": _digits(days_before_drop(random.integers(0, 60, len(heard)))),
    }
    logs |= {f"num_{share}": random.poisson(4, len(heard)) for share in (25, 50, 75, 985, 100)}
    logs |= {
        "num_unq": random.poisson(20, len(heard)),
        "total_secs": random.gamma(2, 3_000, len(heard)).round(3),
    }
    write_csv(folder / "user_logs.csv", logs)
    write_csv(folder / "train.csv", {"msno": keys, "is_churn": left.astype(int)})
    return [folder]


def _digits(days: np.ndarray) -> list[str]:
    """Write dates as eight digits."""
    return [f"{day.astype('O'):%Y%m%d}" for day in days]


# The table of a customer system that `init --from` reads.
CRM_TABLE = """
CREATE SCHEMA crm;
SELECT setseed(0.5);
CREATE TABLE crm.customers AS
SELECT n AS customer_id, tenure, n % 3 = 0 AS paperless, plan,
       round(fee::numeric, 2) AS monthly_fee,
       timestamptz '2024-01-30 12:00+01' - tenure * interval '1 month' AS joined_at,
       CASE WHEN 1.5 * (plan = 'monthly')::int - tenure / 20.0 + 2 * random() > 1.2
            THEN date '2024-01-31' - (random() * 25)::int END AS left_on
FROM (SELECT n, (random() * 60)::int + 1 AS tenure, 10 + random() * 80 AS fee,
             CASE WHEN random() < 0.5 THEN 'monthly' ELSE 'yearly' END AS plan
      FROM generate_series(1, 2000) AS n) AS customer
"""
