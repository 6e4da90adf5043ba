"""A version of many months: each month as known at its own K, and everything holds for all of it.

January is frozen, then February; then a correction of January comes, too late for a training that
stacks both months. Version 1 is of January, version 2 of both months.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import psycopg
import pytest
from conftest import Cluster
from support.chain import FEBRUARY, JANUARY, copy_drop, load
from support.states import TWO_MONTHS, in_state

from streamflow.core.training.certificate import certificate_differences
from streamflow.core.training.training_set import TrainingSet
from streamflow.errors import LabelsMissing, TrainingImpossible
from streamflow.files.frames import write_chunks
from streamflow.platform import Platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.materialize import materialize
from streamflow.steps.monitoring.monitor import monitor
from streamflow.steps.promotion.promote import promote
from streamflow.steps.promotion.retrain_evidence import digest_evidence, find_trained_version
from streamflow.steps.promotion.unseen_users import derive_training_users
from streamflow.steps.training.certify import prove
from streamflow.steps.training.honesty import check_label_honesty
from streamflow.steps.training.months import find_months
from streamflow.steps.training.train import TrainReceipt, train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.versions.compare import compare
from streamflow.steps.versions.export import export
from streamflow.steps.versions.import_version import import_version
from streamflow.steps.versions.rebuild_verdict import DIFFERS, IDENTICAL
from streamflow.steps.versions.rebuilt_training_set import rebuild_training_set
from streamflow.steps.versions.recorded_version import find_recorded_version
from streamflow.steps.versions.reproduce import ReproduceReceipt, reproduce
from streamflow.steps.versions.verify import verify
from streamflow.warehouse.known_drops import read_known_drops
from streamflow.warehouse.retraining import Retraining

USAGE = "usage_agg_30d"


@pytest.fixture(scope="module")
def months(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("months")
    with in_state(cluster, TWO_MONTHS, simulated_drops, folder / "home") as platform:
        late = copy_drop(
            simulated_drops / "month_000",
            folder / "late",
            usage_agg_30d={"skips_7d": (pl.col("skips_7d").cast(pl.Int64) + 5).cast(pl.String)},
        )
        load(platform, late, JANUARY)
        yield platform


@pytest.fixture(scope="module")
def trained(months: Platform) -> TrainReceipt:
    return train(months, FEBRUARY, months=2)


@pytest.fixture(scope="module")
def both(months: Platform) -> TrainingSet:
    return training_set(months, FEBRUARY, months=2)


def drifted(receipt: ReproduceReceipt) -> dict[str, tuple[str, ...]]:
    return {
        level.name: tuple(map(str, level.differences))
        for level in receipt.levels
        if level.verdict == "drifted"
    }


def test_each_month_is_the_set_of_one_month_as_known_at_its_own_k(
    months: Platform, both: TrainingSet
) -> None:
    [january] = both.earlier
    alone = training_set(months, JANUARY, known_at=january.known_at)
    assert january.content.value == alone.digest
    assert {source.revision for source in january.sources} == {1}
    corrected = training_set(months, JANUARY)
    assert corrected.digest != alone.digest
    assert both.content.value == training_set(months, FEBRUARY, known_at=both.known_at).digest
    february_known = min(s.known_at for s in both.sources if s.as_of == FEBRUARY)
    assert january.known_at < max(s.known_at for s in both.sources if s.as_of == FEBRUARY)
    assert january.known_at >= max(s.known_at for s in january.sources)
    assert february_known < both.known_at
    assert both.dated_rows["as_of"].to_list() == [JANUARY] * len(alone.frame) + [FEBRUARY] * len(
        both.frame
    )
    assert both.dated_rows.drop("as_of", "known_at").equals(pl.concat([alone.frame, both.frame]))


def test_earlier_months_are_not_in_memory_and_leave_no_file(
    months: Platform, both: TrainingSet, trained: TrainReceipt
) -> None:
    [january] = both.earlier
    assert isinstance(both.rows, pl.DataFrame)
    assert not isinstance(january.rows, pl.DataFrame)
    assert list((months.home / "tmp").iterdir()) == []
    rebuilt = rebuild_training_set(
        months, find_recorded_version(months, str(trained.version)).passport
    )
    assert not isinstance(rebuilt.earlier[0].rows, pl.DataFrame)


def test_the_rows_of_all_months_are_written_month_by_month(
    both: TrainingSet, tmp_path: Path
) -> None:
    write_chunks(both.read_dated_months(), tmp_path / "set.parquet", facts={})
    assert pl.read_parquet(tmp_path / "set.parquet").equals(both.dated_rows)


def test_february_reads_the_correction_and_january_does_not(both: TrainingSet) -> None:
    """The newest month looks back at January, too, as far as the ttl: there it is known today."""
    [january] = both.earlier
    numbers = {s.revision for month in both.months for s in month.sources if s.table == USAGE}
    assert numbers == {1, 2}
    assert len(both.all_sources) == len({s.revision_key for m in both.months for s in m.sources})
    assert (USAGE, JANUARY, 2) not in {s.revision_key for s in january.sources}


def test_more_months_than_there_are_are_refused(months: Platform) -> None:
    with pytest.raises(
        LabelsMissing, match="--months 3: up to 2024-02-29 only 2 drops have labels"
    ):
        training_set(months, FEBRUARY, months=3)
    with pytest.raises(LabelsMissing, match="up to 2024-01-31 only 1 drop has labels"):
        training_set(months, JANUARY, months=2)


def test_a_user_is_on_one_side_in_all_months(
    months: Platform, trained: TrainReceipt, both: TrainingSet
) -> None:
    """The gate finds every user of every month again, also those who were gone in February."""
    record = find_recorded_version(months, str(trained.version))
    users = derive_training_users(months, record)
    [january] = both.earlier
    gone = set(january.frame[both.key]) - set(both.frame[both.key])
    assert users.erased == 0
    assert len(users.keys) == len(set(users.keys))
    assert set(users.keys) & gone
    former = derive_training_users(months, find_recorded_version(months, "1"))
    assert set(former.keys) <= set(users.keys)
    assert record.passport.result["holdout_keys"]["rows"] == trained.metrics.holdout_rows
    assert users.unseen(both.frame[both.key]).sum() == trained.metrics.holdout_rows


def test_the_months_before_are_judged_on_the_newest(trained: TrainReceipt) -> None:
    assert trained.months == 2
    assert " months=2 " in trained.line
    assert trained.forward is not None
    assert trained.forward.holdout_rows == trained.metrics.holdout_rows
    assert trained.forward != trained.metrics


def test_proof_and_honesty_are_of_all_months(
    months: Platform, both: TrainingSet, trained: TrainReceipt
) -> None:
    assert trained.certificate.rows == both.row_count
    assert not trained.certificate.violations
    names = {part.name for part in trained.certificate.parts}
    assert {"users of 2024-01-31", "labels of 2024-02-29"} <= names
    wrong = pl.when(pl.int_range(pl.len()) == 0).then(99).otherwise(pl.col("skips_7d"))
    frame = both.earlier[0].frame.with_columns(wrong.cast(pl.Int64).alias("skips_7d"))
    planted = _with_january(both, frame)
    proof = prove(months, planted)
    [violation] = proof.violations
    assert violation.what == "usage_agg_30d_fv:skips_7d as of 2024-01-31"
    assert certificate_differences(trained.certificate.values, proof.certificate)
    leaking = both.earlier[0].frame.with_columns(skips_7d=pl.col(both.label).cast(pl.Int64))
    report = check_label_honesty(months, _with_january(both, leaking))
    assert [finding.subject for finding in report.with_severity("severe")] == ["skips_7d"]
    assert all("month of 2024-01-31: " in f.words for f in report.with_severity("severe"))


def _with_january(both: TrainingSet, frame: pl.DataFrame) -> TrainingSet:
    return replace(both, earlier=(replace(both.earlier[0], rows=frame),))


def test_a_version_of_many_months_is_rebuilt_bit_for_bit_and_verified(
    months: Platform, trained: TrainReceipt
) -> None:
    receipt = reproduce(months, str(trained.version))
    assert (receipt.result, drifted(receipt), receipt.tampered) == (IDENTICAL, {}, ())
    assert verify(months, str(trained.version)).holds
    record = find_recorded_version(months, str(trained.version))
    assert record.passport.schema == 6
    assert [month.as_of for month in record.passport.months] == [JANUARY, FEBRUARY]
    assert find_recorded_version(months, "1").passport.schema == 5


def test_a_changed_cell_of_one_month_is_named(months: Platform, trained: TrainReceipt) -> None:
    table = f"frozen.{USAGE}"
    change = (
        f"ALTER TABLE {table} DISABLE TRIGGER USER;"
        f" UPDATE {table} SET skips_7d = skips_7d {{}} 3 WHERE as_of = '2024-01-31'"
        " AND revision = 1 AND user_id ="
        f" (SELECT min(user_id) FROM {table} WHERE as_of = '2024-01-31');"
        f" ALTER TABLE {table} ENABLE TRIGGER USER"
    )
    with psycopg.connect(months.login.conninfo(), autocommit=True) as owner:
        owner.execute(change.format("+"))  # type: ignore[arg-type]
        receipt = reproduce(months, str(trained.version))
        found = verify(months, str(trained.version))
        owner.execute(change.format("-"))  # type: ignore[arg-type]
    assert receipt.result == DIFFERS
    assert list(drifted(receipt)) == ["data"]
    [difference] = drifted(receipt)["data"]
    assert difference.startswith(f"{USAGE} of 2024-01-31, revision 1, ")
    assert receipt.differences[0] == (
        "the training set of 2024-01-31's column skips_7d differs from the recorded column"
    )
    assert found.training_set == (
        "month of 2024-01-31: the values of skips_7d are not the recorded ones",
    )


def test_it_moves_to_a_second_installation(
    months: Platform, trained: TrainReceipt, platform: Platform, tmp_path: Path
) -> None:
    file = tmp_path / "months.version"
    export(months, str(trained.version), file)
    version = import_version(platform, file).version
    receipt = reproduce(platform, str(version))
    assert (receipt.result, receipt.tampered) == (IDENTICAL, ())


def test_compare_names_the_months_and_swaps_features_and_labels_as_one_cause(
    months: Platform, trained: TrainReceipt
) -> None:
    receipt = compare(months, "1", str(trained.version))
    said = [str(difference) for difference in receipt.levels[0].differences]
    assert said[0] == "number of months: 1 -> 2"
    assert receipt.rebuilds == 2
    assert "the features are of" in receipt.notes[0]
    a = find_recorded_version(months, "1").passport
    b = find_recorded_version(months, str(trained.version)).passport
    with pytest.raises(TrainingImpossible, match="of 1 month, the labels of 2 months"):
        rebuild_training_set(months, a, labels_of=b)


def test_it_is_judged_promoted_and_monitored(months: Platform, trained: TrainReceipt) -> None:
    """The champion has one month, the challenger two: only users that neither has seen count."""
    materialize(months)
    promote(months, 1, force=True, why="the first")
    examined = promote(months, trained.version, force=True, why="of both months").examination
    assert examined is not None
    seen = {
        version: derive_training_users(months, find_recorded_version(months, version))
        for version in ("1", str(trained.version))
    }
    newest = training_set(months, FEBRUARY).frame["user_id"]
    unseen = seen["1"].unseen(newest) & seen[str(trained.version)].unseen(newest)
    assert examined.rows["rows"] == int(unseen.sum()) > 0
    report = monitor(months, FEBRUARY)
    assert any("trained on 2 months" in note for note in report.report.notes)


def test_a_retraining_on_the_same_months_finds_the_version(
    months: Platform, trained: TrainReceipt
) -> None:
    known_drops = read_known_drops(months.connection, months.catalog)
    newest = known_drops.find_newest_labelled(0)
    assert newest is not None
    versions = {}
    for count in (1, 2):
        drops = find_months(months, known_drops, newest, count)
        digest, labels = digest_evidence(months, drops)
        assert labels == len(training_set(months, FEBRUARY).frame)
        start = Retraining(
            model=months.catalog.model,
            evidence_digest=digest,
            as_of=newest.as_of,
            label_as_of=newest.label_as_of,
            state="started",
            version=None,
            why="",
        )
        versions[count] = find_trained_version(months, start)
    assert versions == {1: None, 2: trained.version}


def test_users_erased_from_two_months_are_no_reason_to_distrust_the_training_keys(
    months: Platform, trained: TrainReceipt, both: TrainingSet
) -> None:
    """One user of each month alone: no revision has lost more than one of the two."""
    record = find_recorded_version(months, str(trained.version))
    before = derive_training_users(months, record).keys
    [january] = both.earlier
    of_january, of_february = january.frame[both.key], both.frame[both.key]
    gone = before.filter(~before.is_in(of_february.implode()))[0]
    new = before.filter(~before.is_in(of_january.implode()))[0]
    for key in (gone, new):
        forget(months, key, why="asked to")
    users = derive_training_users(months, record)
    assert users.erased == 2
    assert set(before) - set(users.keys) == {gone, new}
