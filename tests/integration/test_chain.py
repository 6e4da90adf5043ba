"""The steps on a real PostgreSQL, in the order in which a user takes them."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import psycopg
import pytest
from support.chain import FEBRUARY, JANUARY, MARCH, copy_drop, load

from streamflow.errors import ContractViolation, DropConflict, LabelsMissing, SnapshotMissing
from streamflow.files.csv_files import hash_bytes
from streamflow.platform import Platform
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.training.training_set import training_set
from streamflow.warehouse import drops


def test_the_same_drop_twice_is_no_change(platform: Platform, simulated_drops: Path) -> None:
    first = ingest(platform, simulated_drops / "month_000", JANUARY)
    frozen = snapshot(platform, JANUARY)
    assert first.changed
    assert all(t.created and t.revision == 1 for t in frozen.tables)
    assert not ingest(platform, simulated_drops / "month_000", JANUARY).changed
    again = snapshot(platform, JANUARY)
    assert [(t.revision, t.digest, t.created) for t in again.tables] == [
        (1, t.digest, False) for t in frozen.tables
    ]


def test_a_drop_under_a_second_date_is_refused_unless_it_is_said_to_be_meant(
    platform: Platform, simulated_drops: Path
) -> None:
    ingest(platform, simulated_drops / "month_000", JANUARY)
    with pytest.raises(DropConflict, match="2024-01-31.*2024-02-29"):
        ingest(platform, simulated_drops / "month_000", FEBRUARY)
    assert ingest(platform, simulated_drops / "month_000", FEBRUARY, allow_same=True).changed


def test_a_file_that_is_replaced_while_it_is_read_writes_nothing(
    platform: Platform, simulated_drops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest of a file is read first, and its rows later: both have to be of the same bytes."""
    folder = copy_drop(simulated_drops / "month_000", tmp_path / "january")
    labels = folder / "labels.csv"
    corrected = tmp_path / "corrected.csv"
    corrected.write_text(labels.read_text().replace("True", "False", 1))
    corrected_digest = hash_bytes(corrected)
    first_digest = hash_bytes(labels)

    def replace_labels(line: str) -> None:
        if line.startswith("checking january") and corrected.exists():
            corrected.replace(labels)

    monkeypatch.setattr("streamflow.progress.EVERY_S", 0.0)
    with pytest.raises(DropConflict, match="labels.csv changed while it was read"):
        ingest(replace(platform, notify=replace_labels), folder, JANUARY)
    assert platform.connection.execute("SELECT count(*) FROM raw.users").fetchone() == (0,)
    assert drops.delivered_files(platform.connection) == {}
    receipt = ingest(platform, folder, JANUARY)
    digests = {file.file: file.sha256 for file in receipt.files}
    assert digests["labels.csv"] == corrected_digest != first_digest


def test_labels_alone_are_a_delivery_for_a_known_drop(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "labels_later"
    folder.mkdir()
    labels = (simulated_drops / "month_000" / "labels.csv").read_text()
    (folder / "labels.csv").write_text(labels)
    with pytest.raises(DropConflict, match="no drop of 2024-01-31 yet"):
        ingest(platform, folder, JANUARY)

    load(
        platform,
        copy_drop(simulated_drops / "month_000", tmp_path / "features_first", labels=None),
        JANUARY,
    )
    with pytest.raises(LabelsMissing, match="the drop of 2024-01-31 has no labels.csv"):
        training_set(platform, JANUARY)
    load(platform, folder, JANUARY)
    assert len(training_set(platform, JANUARY).frame) == 400


def test_a_missing_feature_file_and_a_wrong_folder_are_named(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    (tmp_path / "users.csv").write_bytes((simulated_drops / "month_000" / "users.csv").read_bytes())
    with pytest.raises(ContractViolation, match=r"subscriptions\.csv: expected a file"):
        ingest(platform, tmp_path, JANUARY)
    with pytest.raises(ContractViolation, match="no such folder"):
        ingest(platform, tmp_path / "absent", JANUARY)


def test_labels_come_from_the_drop_that_dates_them(
    platform: Platform, simulated_drops: Path
) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    with pytest.raises(LabelsMissing, match="only 0 later drops are frozen"):
        training_set(platform, JANUARY, label_lead=1)
    load(platform, simulated_drops / "month_001", FEBRUARY)
    own, later = training_set(platform, JANUARY), training_set(platform, JANUARY, label_lead=1)
    assert (own.label_as_of, later.label_as_of) == (JANUARY, FEBRUARY)
    assert own.without_label == 0
    assert later.without_label == 400 - len(later.frame) > 0
    with pytest.raises(SnapshotMissing, match="frozen drops: 2024-01-31, 2024-02-29"):
        training_set(platform, MARCH)


def test_a_read_as_known_before_a_correction_is_as_before(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    before = training_set(platform, JANUARY)
    fees = {"monthly_fee": pl.lit("1.5")}
    load(
        platform,
        copy_drop(simulated_drops / "month_000", tmp_path / "corrected", subscriptions=fees),
        JANUARY,
    )
    now, then = (
        training_set(platform, JANUARY),
        training_set(platform, JANUARY, known_at=before.known_at),
    )
    assert now.frame["monthly_fee"].unique().to_list() == [1.5]
    assert then.digest == before.digest
    assert then.frame.equals(before.frame)
    assert {s.table: s.revision for s in now.sources}["subscriptions"] == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE frozen.users SET user_gender = 'x'",
        "DELETE FROM frozen.users",
        "TRUNCATE frozen.users",
    ],
)
def test_frozen_rows_are_protected_even_from_their_owner(
    platform: Platform, simulated_drops: Path, statement: str
) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    for address in (platform.address, platform.login):
        with (
            psycopg.connect(address.conninfo()) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)  # type: ignore[arg-type]
