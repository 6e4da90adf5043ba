"""The simulated drops have equal bytes, the layout of the real ones, and a known truth.

Their months follow from each other.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date
from functools import reduce
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from streamflow.catalog import load_catalog
from streamflow.errors import DropConflict
from streamflow.files.drop_folders import write_drop
from streamflow.simulation.drops import LAYOUT, Month, auc, simulate_months
from streamflow.simulation.user_ids import IDS, user_ids
from streamflow.steps.data.simulate import SimulateReceipt, simulate

START = date(2024, 1, 31)
ANCHOR = "7590-VHVEG"


@pytest.fixture(scope="module")
def months() -> list[Month]:
    return list(simulate_months(4000, 4, seed=7, start=START))


def frame_of(month: Month) -> pl.DataFrame:
    """All columns of a drop, in the order of its users."""
    return reduce(
        lambda left, right: left.join(right, on="user_id", maintain_order="left"),
        month.tables.values(),
    )


def write(folder: Path, *, users: int = 300, months: int = 2, seed: int = 7) -> SimulateReceipt:
    return simulate(folder, users=users, months=months, seed=seed, notify=lambda _: None)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_equal_arguments_write_equal_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")
    assert len(bytes_of(tmp_path / "one")) == 2 * (len(LAYOUT) + 1)


def test_the_bytes_are_those_of_every_machine(tmp_path: Path) -> None:
    """A version of numpy or polars that writes different bytes fails here.

    So it is noticed before somebody compares two digests.
    """
    write(tmp_path)
    digest = sha256(
        b"".join(name.encode() + content for name, content in bytes_of(tmp_path).items())
    ).hexdigest()
    assert digest == "a1555f19cb7726571a692eb0145a3af6f1a8585495e098c42f332558c6d0b0de"


def test_another_seed_writes_other_bytes_and_other_users(tmp_path: Path) -> None:
    write(tmp_path / "one", seed=1)
    write(tmp_path / "two", seed=2)
    one, two = bytes_of(tmp_path / "one"), bytes_of(tmp_path / "two")
    assert all(one[name] != two[name] for name in one)


def test_more_months_leave_the_first_ones_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, months=2)
    before = bytes_of(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.csv")}
    write(tmp_path, months=3)
    assert before.items() <= bytes_of(tmp_path).items()
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_a_receipt_names_folders_and_month_ends(tmp_path: Path) -> None:
    lines: list[str] = []
    receipt = simulate(tmp_path, users=300, months=3, seed=7, notify=lines.append)
    assert [folder.name for folder in receipt.folders] == ["month_000", "month_001", "month_002"]
    assert receipt.as_ofs == (date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31))
    stored = [
        tomllib.loads((folder / "drop.toml").read_text())["as_of"] for folder in receipt.folders
    ]
    assert tuple(stored) == receipt.as_ofs
    assert (
        len(lines) == len(receipt.rows) == len(receipt.churn_rates) == len(receipt.best_aucs) == 3
    )
    assert "best possible AUC" in lines[0]


def test_a_simulated_drop_is_replaced_and_months_of_another_simulation_are_pointed_out(
    tmp_path: Path,
) -> None:
    write(tmp_path, months=3, seed=1)
    lines: list[str] = []
    simulate(tmp_path, users=300, months=2, seed=2, notify=lines.append)
    write(tmp_path / "fresh", months=2, seed=2)
    for name in ("month_000", "month_001"):
        assert bytes_of(tmp_path / name) == bytes_of(tmp_path / "fresh" / name)
    assert "month_002 was left as it is" in lines[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "fresh",
        "month_000",
        "month_001",
        "month_002",
    ]


@pytest.mark.parametrize("strange", ["labels.csv", "notes.txt"])
def test_what_simulate_did_not_write_is_never_replaced(tmp_path: Path, strange: str) -> None:
    if strange == "notes.txt":
        write(tmp_path, seed=1)
    path = tmp_path / "month_000" / strange
    path.parent.mkdir(exist_ok=True)
    path.write_text("user_id,churn_label\n")
    before = bytes_of(tmp_path)
    with pytest.raises(DropConflict, match="month_000"):
        write(tmp_path, seed=2)
    assert bytes_of(tmp_path) == before
    assert not [entry for entry in tmp_path.iterdir() if entry.name.startswith(".")]


def test_values_are_written_as_the_real_drops_write_them(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "a": [True, None],
            "b": [29.85, 0.0],
            "c": [date(2024, 1, 31), date(2024, 2, 29)],
            "d": [1, 2],
        }
    )
    assert write_drop(tmp_path / "drop", {"t": table}, START, origin="a test")
    assert (
        tmp_path / "drop" / "t.csv"
    ).read_bytes() == b"a,b,c,d\nTrue,29.85,2024-01-31,1\n,0.0,2024-02-29,2\n"
    assert (
        tmp_path / "drop" / "drop.toml"
    ).read_bytes() == b"# Simulated: a test\nas_of = 2024-01-31\n"
    assert not write_drop(tmp_path / "drop", {"t": table}, START, origin="a test")


def test_the_layout_is_that_of_the_catalog(months: list[Month]) -> None:
    catalog = load_catalog(None)
    assert set(LAYOUT) == set(catalog.tables)
    for name, table in months[0].tables.items():
        assert set(table.columns[1:]) == set(catalog.tables[name].columns)
        assert table.columns[0] == catalog.entity.key


def test_the_headers_are_those_of_the_real_drops(tmp_path: Path, real_drops: Path) -> None:
    simulated = write(tmp_path).folders[0]
    for path in sorted((real_drops / "month_000").glob("*.csv")):
        with path.open("rb") as theirs, (simulated / path.name).open("rb") as ours:
            assert ours.readline() == theirs.readline()


def test_plans_are_null_exactly_without_net_service(months: list[Month]) -> None:
    for month in months:
        assert all(
            table.drop("plan_stream_tv", "plan_stream_movies", strict=False)
            .null_count()
            .sum_horizontal()
            .item()
            == 0
            for table in month.tables.values()
        )
        frame = month.tables["subscriptions"]
        for plan in ("plan_stream_tv", "plan_stream_movies"):
            assert (frame[plan].is_null() == (frame["net_service"] == "No")).all()


def test_values_stay_in_their_bounds(months: list[Month]) -> None:
    bounds = {
        "months_active": (0, 63),
        "monthly_fee": (18.25, 118.75),
        "total_paid": (0, 8684.8),
        "watch_hours_30d": (0, 60),
        "unique_devices_30d": (1, 3),
        "skips_7d": (0, 14),
        "rebuffer_events_7d": (0, 10),
        "failed_payments_90d": (0, 3),
        "support_tickets_90d": (0, 4),
        "ticket_avg_resolution_hrs_90d": (1, 25),
    }
    for month in months:
        frame = frame_of(month)
        for name, (low, high) in bounds.items():
            assert frame[name].is_between(low, high).all(), name
        for name in (
            "monthly_fee",
            "total_paid",
            "watch_hours_30d",
            "ticket_avg_resolution_hrs_90d",
        ):
            assert all(value == round(value, 2) for value in frame[name]), (
                name
            )  # so that it prints as 29.85


def test_the_first_user_is_known_and_never_leaves(months: list[Month]) -> None:
    first = frame_of(months[0]).row(0, named=True)
    known = {
        "user_id": ANCHOR,
        "months_active": 1,
        "monthly_fee": 29.85,
        "total_paid": 29.85,
        "paperless_billing": True,
    }
    assert first | known == first
    for number, month in enumerate(months):
        row = frame_of(month).row(0, named=True)
        assert (row["user_id"], row["months_active"], row["monthly_fee"], row["churn_label"]) == (
            ANCHOR,
            1 + number,
            29.85,
            False,
        )


def test_churners_leave_and_others_come(months: list[Month]) -> None:
    seen: set[str] = set()
    for before, after in pairwise(map(frame_of, months)):
        seen |= set(before["user_id"])
        expected = before.filter(~pl.col("churn_label"))["user_id"].to_list()
        assert after["user_id"].to_list()[: len(expected)] == expected
        joined = after[len(expected) :]
        assert seen.isdisjoint(joined["user_id"])
        assert joined.height > 0
        assert joined.select(
            (pl.col("months_active") == 0).all(), (pl.col("total_paid") == 0).all()
        ).row(0) == (True, True)
        assert abs(after.height - 4000) <= 80


def test_who_stays_is_a_month_older_and_has_paid(months: list[Month]) -> None:
    for before, after in pairwise(map(frame_of, months)):
        both = before.join(after, on="user_id", suffix="_after")
        assert (both["months_active_after"] == both["months_active"] + 1).all()
        assert (
            (both["total_paid_after"] - both["total_paid"] - both["monthly_fee_after"]).abs() < 1e-6
        ).all()
        for column in (
            "signup_date",
            "user_gender",
            "contract_type",
            "net_service",
            "paperless_billing",
        ):
            assert (both[column] == both[f"{column}_after"]).all()
        changed = both.filter(pl.col("monthly_fee") != pl.col("monthly_fee_after"))
        assert 0 < changed.height < 0.04 * both.height
        for usage, least in {
            "watch_hours_30d": 0.7,
            "failed_payments_90d": 0.35,
            "rebuffer_events_7d": 0.35,
        }.items():
            assert np.corrcoef(both[usage], both[f"{usage}_after"])[0, 1] > least


def test_signup_dates_agree_with_months_active(months: list[Month]) -> None:
    for month in months:
        frame = frame_of(month)
        passed = (month.as_of.year - frame["signup_date"].dt.year()) * 12 + (
            month.as_of.month - frame["signup_date"].dt.month()
        )
        assert (passed == frame["months_active"]).all()
        assert (frame["signup_date"] <= month.as_of).all()


def test_ids_are_unique_and_have_the_shape_of_the_real_ones(months: list[Month]) -> None:
    for month in months:
        for table in month.tables.values():
            assert table["user_id"].equals(month.tables["users"]["user_id"])
        assert month.tables["users"]["user_id"].is_unique().all()
        assert all(re.fullmatch(r"\d{4}-[A-Z]{5}", key) for key in month.tables["users"]["user_id"])
    assert IDS == 10**4 * 26**5
    many = user_ids(7, 0, 400_000)
    assert many.n_unique() == len(many)
    assert many[300_000:].equals(user_ids(7, 300_000, 100_000))


def test_churn_and_the_best_auc_are_near_those_of_the_real_drops(months: list[Month]) -> None:
    for month in months:
        assert 0.21 < month.churn_rate < 0.30
        assert 0.81 < month.best_auc < 0.89
        labels = month.tables["labels"]["churn_label"].to_numpy()
        assert month.churn_rate == labels.mean()
        assert month.best_auc == pytest.approx(roc_auc_score(labels, month.probability), abs=1e-12)
        assert abs(month.probability.mean() - labels.mean()) < 4 * np.sqrt(
            0.25 * 0.75 / len(labels)
        )


def test_the_probability_is_calibrated_in_every_tenth(months: list[Month]) -> None:
    probability = np.concatenate([month.probability for month in months])
    labels = np.concatenate([month.tables["labels"]["churn_label"].to_numpy() for month in months])
    for tenth in np.array_split(np.argsort(probability, kind="stable"), 10):
        expected = probability[tenth]
        assert abs(labels[tenth].sum() - expected.sum()) < 4 * np.sqrt(
            (expected * (1 - expected)).sum()
        )


def test_models_come_near_the_best_auc_and_not_above_it(months: list[Month]) -> None:
    """A model of the first drop predicts a later one: the mechanism is the same in every month."""
    catalog = load_catalog(None)
    served = [
        name
        for table in catalog.tables.values()
        for name, column in table.columns.items()
        if column.view
    ]
    assert len(served) == 14

    def inputs(month: Month) -> tuple[pl.DataFrame, np.ndarray]:
        frame = frame_of(month).with_columns(
            loyalty=pl.col("months_active") / (pl.col("months_active") + 12)
        )
        words = [
            name for name, kind in frame.schema.items() if kind == pl.String and name != "user_id"
        ]
        plans = ["plan_stream_tv", "plan_stream_movies"]
        wide = (
            frame.drop("user_id", "signup_date", "churn_label")
            .to_dummies([*words, *plans])
            .cast(pl.Float64)
        )
        return wide, frame["churn_label"].to_numpy()

    (train, labels), (unseen, truth) = inputs(months[0]), inputs(months[2])
    prefixes = tuple(served)
    features = [name for name in train.columns if name.startswith(prefixes)]
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.to_numpy(), labels)
    forest = RandomForestClassifier(100, min_samples_leaf=5, random_state=42).fit(
        train[features].to_numpy(), labels
    )
    reached = auc(linear.predict_proba(unseen.to_numpy())[:, 1], truth)
    by_forest = auc(forest.predict_proba(unseen[features].to_numpy())[:, 1], truth)
    assert months[2].best_auc - 0.015 < reached < months[2].best_auc + 0.005
    assert 0.76 < by_forest < reached


def test_the_auc_agrees_with_sklearn_on_ties_and_is_nan_without_both_labels() -> None:
    random = np.random.default_rng(1)
    probability, label = random.integers(0, 10, 500) / 10, random.random(500) < 0.3
    assert auc(probability, label) == pytest.approx(roc_auc_score(label, probability), abs=1e-12)
    assert np.isnan(auc(probability, np.zeros(500, dtype=bool)))


def test_one_user_is_enough(tmp_path: Path) -> None:
    receipt = write(tmp_path, users=1, months=3)
    assert receipt.rows == (1, 1, 1)
    assert receipt.churn_rates == (0.0, 0.0, 0.0)
