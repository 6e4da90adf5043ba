"""Files in the form of public churn data sets, with simulated customers.

Each has the headers, the words, the quirks and the size of the set that it is named after; the
relations between its columns are invented. `published_sets` has those that a package ships.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from support.telco import write_telco

Columns = dict[str, Any]
Random = np.random.Generator
REASONS = ("Competitor made better offer", "Attitude of support person", "Moved", "Price too high")
NAIVE_BAYES = (
    "Naive_Bayes_Classifier_Attrition_Flag_Card_Category_Contacts_Count_12_mon_"
    "Dependent_count_Education_Level_Months_Inactive_12_mon_"
)
EDUCATION = ("High School", "Graduate", "Uneducated", "Unknown", "College", "Doctorate")
INCOME = ("Less than $40K", "$40K - $60K", "$60K - $80K", "$80K - $120K", "$120K +", "Unknown")


def leave(random: Random, odds: np.ndarray, share: float) -> np.ndarray:
    """Draw who leaves: the `share` of the customers with the highest noisy odds."""
    tendency = odds + random.logistic(size=len(odds))
    return tendency > np.quantile(tendency, 1 - share)


def write_csv(path: Path, columns: Mapping[str, Sequence[Any]], **options: Any) -> list[Path]:
    """Write columns of texts and numbers with Python's csv module."""
    encoding = options.pop("encoding", "utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream, **options)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return [path]


def write_telco_21(folder: Path, rows: int = 7_043) -> list[Path]:
    """IBM's 21 columns: `Yes` and `No`, and a blank total of new customers."""
    return write_telco(folder, customers=rows)[:1]


def write_telco_33(folder: Path, rows: int = 7_043) -> list[Path]:
    """IBM's 33 columns: headers with blanks, four columns of the outcome, and a map."""
    random = np.random.default_rng(33)
    [path] = write_telco_21(folder / "raw", rows)
    base = pl.read_csv(path, infer_schema_length=None)
    left = (base["Churn"] == "Yes").to_numpy()
    senior = np.where(base["SeniorCitizen"].to_numpy() == 1, "Yes", "No")
    spoken = {
        "gender": "Gender",
        "tenure": "Tenure Months",
        "PhoneService": "Phone Service",
        "MultipleLines": "Multiple Lines",
        "InternetService": "Internet Service",
        "OnlineSecurity": "Online Security",
        "OnlineBackup": "Online Backup",
        "DeviceProtection": "Device Protection",
        "TechSupport": "Tech Support",
        "StreamingTV": "Streaming TV",
        "StreamingMovies": "Streaming Movies",
        "PaperlessBilling": "Paperless Billing",
        "PaymentMethod": "Payment Method",
        "MonthlyCharges": "Monthly Charges",
        "TotalCharges": "Total Charges",
    }
    place = random.integers(0, 1_129, rows)
    latitude = (32.5 + place / 150).round(6)
    longitude = (-124 + place / 120).round(6)
    columns: Columns = {
        "CustomerID": base["customerID"],
        "Count": np.ones(rows, int),
        "Country": ["United States"] * rows,
        "State": ["California"] * rows,
        "City": [f"City {number}" for number in place],
        "Zip Code": 90_001 + place,
        "Lat Long": [f"{a}, {b}" for a, b in zip(latitude, longitude, strict=True)],
        "Latitude": latitude,
        "Longitude": longitude,
    }
    for name in base.columns[1:-1]:
        values = senior if name == "SeniorCitizen" else base[name]
        header = "Senior Citizen" if name == "SeniorCitizen" else spoken.get(name, name)
        columns[header] = values
    low, high = np.where(left, 65, 5), np.where(left, 101, 81)
    reasons = random.choice(REASONS, rows)
    columns |= {
        "Churn Label": np.where(left, "Yes", "No"),
        "Churn Value": left.astype(int),
        "Churn Score": random.integers(low, high),
        "CLTV": random.integers(2_003, 6_500, rows),
        "Churn Reason": np.where(left, reasons, ""),
    }
    return write_csv(folder / "Telco_customer_churn.csv", columns)


def write_bank(folder: Path, rows: int = 10_127) -> list[Path]:
    """BankChurners: a flag in words, incomes in dollars, and two columns of a Naive Bayes model."""
    random = np.random.default_rng(10)
    count = random.poisson(60, rows) + 10
    inactive = random.integers(0, 7, rows)
    limit = random.lognormal(8.7, 0.9, rows).clip(1438, 34516).round(1)
    revolving = np.where(random.random(rows) < 0.25, 0, random.integers(132, 2_518, rows))
    left = leave(random, 0.5 * inactive - 0.09 * count - 0.0008 * revolving, 0.16)
    naive_bayes = np.where(left, random.uniform(0.98, 0.9999, rows), random.uniform(0, 0.03, rows))
    columns: Columns = {
        "CLIENTNUM": 708_082_083 + random.permutation(rows) * 900,
        "Attrition_Flag": np.where(left, "Attrited Customer", "Existing Customer"),
        "Customer_Age": random.integers(26, 74, rows),
        "Gender": random.choice(["M", "F"], rows),
        "Dependent_count": random.integers(0, 6, rows),
        "Education_Level": random.choice(EDUCATION, rows),
        "Marital_Status": random.choice(["Married", "Single", "Divorced", "Unknown"], rows),
        "Income_Category": random.choice(INCOME, rows),
        "Card_Category": random.choice(
            ["Blue", "Silver", "Gold", "Platinum"], rows, p=[0.932, 0.055, 0.011, 0.002]
        ),
        "Months_on_book": random.integers(13, 57, rows),
        "Total_Relationship_Count": random.integers(1, 7, rows),
        "Months_Inactive_12_mon": inactive,
        "Contacts_Count_12_mon": random.integers(0, 7, rows),
        "Credit_Limit": limit,
        "Total_Revolving_Bal": revolving,
        "Avg_Open_To_Buy": (limit - revolving).round(1),
        "Total_Amt_Chng_Q4_Q1": random.gamma(12, 0.063, rows).round(3),
        "Total_Trans_Amt": (count * random.lognormal(4, 0.3, rows)).astype(int),
        "Total_Trans_Ct": count,
        "Total_Ct_Chng_Q4_Q1": random.gamma(9, 0.08, rows).round(3),
        "Avg_Utilization_Ratio": (revolving / limit).clip(0, 0.999).round(3),
        f"{NAIVE_BAYES}1": naive_bayes.round(9),
        f"{NAIVE_BAYES}2": (1 - naive_bayes).round(5),
    }
    return write_csv(folder / "BankChurners.csv", columns, quoting=csv.QUOTE_NONNUMERIC)


def write_iranian(folder: Path, rows: int = 3_150) -> list[Path]:
    """Iranian churn: no key, two blanks within headers, and 300 rows that repeat earlier ones."""
    random = np.random.default_rng(3)
    seconds = random.integers(0, 17_000, rows)
    complains = (random.random(rows) < 0.08).astype(int)
    status = np.where(random.random(rows) < 0.75, 1, 2)
    value = random.gamma(1, 470, rows).round(3)
    left = leave(random, 3 * complains + 1.6 * (status == 2) - seconds / 6_000, 0.157)
    frame = pl.DataFrame(
        {
            "Call  Failure": random.integers(0, 37, rows),
            "Complains": complains,
            "Subscription  Length": random.integers(3, 48, rows),
            "Charge  Amount": random.integers(0, 11, rows),
            "Seconds of Use": seconds,
            "Frequency of use": (seconds / 70).astype(int),
            "Frequency of SMS": random.integers(0, 522, rows),
            "Distinct Called Numbers": random.integers(0, 98, rows),
            "Age Group": random.integers(1, 6, rows),
            "Tariff Plan": np.where(random.random(rows) < 0.92, 1, 2),
            "Status": status,
            "Age": random.choice([15, 25, 30, 45, 55], rows),
            "Customer Value": value,
            "FN": (value * 0.9).round(4),
            "FP": (value * 0.1).round(4),
            "Churn": left.astype(int),
        }
    )
    repeated = pl.concat([frame.head(rows - 300), frame.head(300)])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "Customer Churn.csv"
    repeated.write_csv(path)
    return [path]


def german(number: float) -> str:
    """Write a number as a German program does: 1234.5 is 1.234,50."""
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


def write_german(folder: Path, rows: int = 2_000) -> list[Path]:
    """A German export: Windows-1252, semicolons, decimal commas, dates and a last separator."""
    random = np.random.default_rng(49)
    fee = random.gamma(4, 12, rows)
    sales = fee * random.integers(1, 60, rows)
    since = random.integers(0, 2_000, rows)
    left = leave(random, fee / 25 - since / 500, 0.22)
    days = np.datetime64("2024-01-31") - since.astype("timedelta64[D]")
    columns: Columns = {
        "Kundennr": [f"K-{number:05d}" for number in random.permutation(rows)],
        "Straße": [f"Mühlweg {number}" for number in random.integers(1, 400, rows)],
        "Vertragsbeginn": [f"{day.astype('O'):%d.%m.%Y}" for day in days],
        "Tage seit Beginn": since,
        "Monatsgebühr": [f"{german(value)} €" for value in fee],
        "Umsatz": [german(value) for value in sales],
        "Zahlungsart": random.choice(["Lastschrift", "Überweisung", "Kreditkarte"], rows),
        "Gekündigt": np.where(left, "Ja", "Nein"),
        "": [""] * rows,
    }
    path = folder / "kunden.csv"
    return write_csv(path, columns, delimiter=";", encoding="windows-1252")
