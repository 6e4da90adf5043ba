"""A file in the form of the public set "Telco Customer Churn" of IBM, with simulated customers.

It has the same 21 columns, the same words and the same blank totals of new customers.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

SERVICES = (
    "OnlineSecurity",
    "OnlineBackup",
    "DeviceProtection",
    "TechSupport",
    "StreamingTV",
    "StreamingMovies",
)
PAYMENTS = (
    "Electronic check",
    "Mailed check",
    "Bank transfer (automatic)",
    "Credit card (automatic)",
)
LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))


def write_telco(folder: Path, *, customers: int = 1500, seed: int = 11) -> list[Path]:
    """Write `folder`/month_000/telco.csv and month_001/telco.csv.

    Who left in the first month is absent in the second. Equal arguments give equal bytes.
    """
    rng = np.random.default_rng(seed)
    table = _first_month(rng, customers)
    paths = [_write(folder / "month_000", rng, table)]
    staying = table.filter(pl.col("Churn") == "No").with_columns(pl.col("tenure") + 1)
    staying = staying.with_columns(Churn=pl.Series(_churn(rng, staying)))
    return [*paths, _write(folder / "month_001", rng, staying)]


def _first_month(rng: np.random.Generator, count: int) -> pl.DataFrame:
    """Draw customers with their services."""
    digits = rng.permutation(10_000)[:count]
    names = ["".join(rng.choice(LETTERS, 5)) for _ in range(count)]
    internet = rng.choice(["DSL", "Fiber optic", "No"], count, p=[0.34, 0.44, 0.22])
    phone = rng.choice(["Yes", "No"], count, p=[0.9, 0.1])
    columns: dict[str, object] = {
        "customerID": [f"{digit:04}-{name}" for digit, name in zip(digits, names, strict=True)],
        "gender": rng.choice(["Male", "Female"], count),
        "SeniorCitizen": (rng.random(count) < 0.16).astype(int),
        "Partner": rng.choice(["Yes", "No"], count),
        "Dependents": rng.choice(["Yes", "No"], count, p=[0.3, 0.7]),
        "tenure": rng.integers(0, 73, count),
        "PhoneService": phone,
        "MultipleLines": np.where(
            phone == "No", "No phone service", rng.choice(["Yes", "No"], count)
        ),
        "InternetService": internet,
    }
    for service in SERVICES:
        words = rng.choice(["Yes", "No"], count, p=[0.4, 0.6])
        columns[service] = np.where(internet == "No", "No internet service", words)
    contracts = ["Month-to-month", "One year", "Two year"]
    columns["Contract"] = rng.choice(contracts, count, p=[0.55, 0.21, 0.24])
    columns["PaperlessBilling"] = rng.choice(["Yes", "No"], count, p=[0.6, 0.4])
    columns["PaymentMethod"] = rng.choice(PAYMENTS, count)
    price = np.select([internet == "No", internet == "DSL"], [20.0, 55.0], 90.0)
    columns["MonthlyCharges"] = (price + rng.normal(0, 6, count)).clip(18, 119).round(2)
    table = pl.DataFrame(columns)
    return table.with_columns(Churn=pl.Series(_churn(rng, table)))


def _churn(rng: np.random.Generator, table: pl.DataFrame) -> NDArray[np.str_]:
    """Draw who leaves: contract, tenure, internet and the way of paying decide most."""
    odds = (
        -1.1
        + 1.3 * (table["Contract"] == "Month-to-month").to_numpy()
        + 0.9 * (table["InternetService"] == "Fiber optic").to_numpy()
        + 0.5 * (table["PaymentMethod"] == "Electronic check").to_numpy()
        - 0.045 * table["tenure"].to_numpy()
    )
    return np.where(rng.random(len(table)) < 1 / (1 + np.exp(-odds)), "Yes", "No")


def _write(folder: Path, rng: np.random.Generator, table: pl.DataFrame) -> Path:
    """Write one month. A customer in the first month has no total yet, but a blank."""
    total = (table["MonthlyCharges"] * table["tenure"] * rng.normal(1, 0.02, len(table))).round(2)
    texts = [f"{value}" if value > 0 else " " for value in total]
    path = folder / "telco.csv"
    folder.mkdir(parents=True)
    churn = table["Churn"]
    table.drop("Churn").with_columns(pl.Series("TotalCharges", texts), churn).write_csv(path)
    return path


if __name__ == "__main__":
    for written in write_telco(Path(sys.argv[1])):
        print(written)
