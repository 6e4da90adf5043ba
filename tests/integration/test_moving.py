"""export and import: a version goes to a second installation, which makes it again bit for bit.

A wrong file changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile

import mlflow
import numpy as np
import polars as pl
import psycopg
import pytest
from conftest import Cluster
from support.chain import FEBRUARY, JANUARY, NOW, copy_drop, database_digest, load, run
from support.registry import stock_store
from support.states import JANUARY_TRAINED
from support.stock_mlflow import mlflow_at

from streamflow.catalog import DEFAULT_PATH
from streamflow.errors import (
    ArtifactUntrusted,
    BackupDamaged,
    CatalogInvalid,
    ImportRefused,
    NotRebuildable,
    SnapshotDamaged,
    StreamflowError,
)
from streamflow.models.pipelines import raw_frame
from streamflow.platform import Platform, open_platform
from streamflow.steps.data.forget import forget
from streamflow.steps.promotion.promote import promote
from streamflow.steps.serving.predict import predict
from streamflow.steps.training.train import train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.upkeep.backup import backup
from streamflow.steps.upkeep.prune import prune
from streamflow.steps.upkeep.restore import restore
from streamflow.steps.versions.export import export
from streamflow.steps.versions.import_version import import_version
from streamflow.steps.versions.rebuild_verdict import IDENTICAL
from streamflow.steps.versions.registered_version import load_answering
from streamflow.steps.versions.reproduce import reproduce


@pytest.fixture(scope="module")
def source(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """January, its correction and February.

    Version 1 was trained before the correction, version 2 after it.
    """
    name, folder = f"sf_source_{uuid4().hex[:12]}", tmp_path_factory.mktemp("source")
    cluster.clone(name)
    with open_platform(cluster.settings(name, folder / "home", trees=20)) as platform:
        load(platform, simulated_drops / "month_000", JANUARY)
        train(platform, JANUARY)
        late = copy_drop(
            simulated_drops / "month_000", folder / "late", usage_agg_30d={"skips_7d": pl.lit("1")}
        )
        load(platform, late, JANUARY)
        load(platform, simulated_drops / "month_001", FEBRUARY)
        train(platform, FEBRUARY)
        yield platform
    cluster.drop(name)


@pytest.fixture(scope="module")
def exported(source: Platform, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Both versions as files."""
    folder = tmp_path_factory.mktemp("exported")
    files = [folder / f"{number}.version" for number in (1, 2)]
    for number, file in enumerate(files, 1):
        export(source, str(number), file)
    return files


def test_versions_are_the_same_elsewhere(
    source: Platform, exported: list[Path], platform: Platform, simulated_drops: Path
) -> None:
    """Newest first: the older version brings an earlier revision of a drop that exists here."""
    taken = [import_version(platform, file) for file in reversed(exported)]
    assert [(one.version, one.already) for one in taken] == [(1, False), (2, False)]
    assert [r.revisions > 0 for r in taken] == [True, True]
    for there, here in (("1", "2"), ("2", "1")):
        receipt, at_home = reproduce(platform, here), reproduce(source, there)
        assert (receipt.result, receipt.tampered, receipt.predictions) == (
            IDENTICAL,
            (),
            at_home.predictions,
        )
        drifted = {level.name for level in receipt.levels if level.verdict != "same"}
        assert drifted == {
            "configuration"
        }  # 300 trees are the default of this installation, 20 are recorded
    again = import_version(platform, exported[0])
    assert (again.version, again.already, again.revisions) == (2, True, 0)
    ours, theirs = source.models.version(1), platform.models.version(2)
    assert {**ours.tags, "imported_from": ours.run_id} == dict(theirs.tags)
    assert ours.metrics == theirs.metrics
    rows = training_set(source, JANUARY).matrix
    expected = load_answering(source, ours).predictor.probability(rows)
    assert np.array_equal(load_answering(platform, theirs).predictor.probability(rows), expected)
    with mlflow_at(platform.tracking_uri):
        stock = mlflow.sklearn.load_model("models:/streamflow_churn/2")
        served = mlflow.pyfunc.load_model("models:/streamflow_churn/2").predict(rows.to_pandas())
    raw = stock.predict_proba(raw_frame(rows, platform.catalog.features))[
        :, 1
    ]  # stock MLflow knows no calibrator
    assert np.array_equal(
        load_answering(platform, theirs).predictor.decision.calibrator.apply(raw), expected
    )
    assert np.array_equal(served["probability"], expected)
    with stock_store(platform.features.folder) as store:
        services = [service.name for service in store.list_feature_services()]
    assert platform.catalog.service in services
    run(
        platform, simulated_drops / "month_001", FEBRUARY
    )  # the drop that it is asked to predict for
    promote(platform, 2, force=True, why="a test of something else")
    assert predict(platform, "7590-VHVEG", now=NOW).version == 2


def test_an_empty_database_is_migrated_by_an_import(
    cluster: Cluster, exported: list[Path], tmp_path: Path
) -> None:
    name = f"sf_empty_{uuid4().hex[:12]}"
    try:
        with open_platform(
            cluster.settings(name, tmp_path / "home", trees=20), must_be_migrated=False
        ) as platform:
            assert import_version(platform, exported[0]).version == 1
            receipt = reproduce(platform, "1")
            assert (receipt.result, {level.verdict for level in receipt.levels}) == (
                IDENTICAL,
                {"same"},
            )
    finally:
        cluster.drop(name)


def test_a_drop_that_was_loaded_here_is_not_changed(
    platform: Platform, exported: list[Path], simulated_drops: Path, tmp_path: Path
) -> None:
    other = copy_drop(
        simulated_drops / "month_000",
        tmp_path / "other",
        payments_agg_90d={"failed_payments_90d": pl.lit("0")},
    )
    load(platform, other, JANUARY)
    before = database_digest(platform.connection)
    with pytest.raises(ImportRefused) as refused:
        import_version(platform, exported[0])
    assert (
        refused.value.message
        == "payments_agg_90d of 2024-01-31, revision 1: this installation has a revision of this"
        " number with different content"
    )
    assert database_digest(platform.connection) == before
    assert platform.models.versions() == []


def test_the_same_drop_loaded_here_is_used(
    platform: Platform, exported: list[Path], simulated_drops: Path
) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    receipt = import_version(platform, exported[0])
    assert (receipt.revisions, receipt.version) == (0, 1)
    made = reproduce(platform, "1")
    assert made.result == IDENTICAL
    said = next(level for level in made.levels if level.name == "data").differences
    assert said
    assert all(
        ", its known_at" in d.what or "as known at" in d.what for d in said
    )  # here it was learned at another time


def test_what_was_forgotten_here_does_not_come_back_from_elsewhere(
    platform: Platform, exported: list[Path], simulated_drops: Path
) -> None:
    load(platform, simulated_drops / "month_001", FEBRUARY)
    forget(platform, "7590-VHVEG", why="asked")
    with pytest.raises(ImportRefused, match="it contains 1 key that was forgotten here"):
        import_version(platform, exported[0])
    assert platform.models.versions() == []


@pytest.mark.state(JANUARY_TRAINED)
def test_a_version_that_was_deleted_and_pruned_comes_back(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    platform, file = open_with(trees=5), tmp_path / "first.version"
    export(platform, "1", file)
    late = copy_drop(
        simulated_drops / "month_000", tmp_path / "late", usage_agg_30d={"skips_7d": pl.lit("1")}
    )
    load(platform, late, JANUARY)
    platform.models._client.delete_model_version("streamflow_churn", "1")
    assert len(prune(platform).revisions) == 1
    receipt = import_version(platform, file)
    assert (receipt.revisions, receipt.already) == (1, False)
    made = reproduce(platform, str(receipt.version))
    assert (made.result, {level.verdict for level in made.levels}) == (IDENTICAL, {"same"})


# ---- wrong files ---------------------------------------------------------------------


def with_member(file: Path, to: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy with one member changed, and nothing else."""
    with ZipFile(file) as old, ZipFile(to, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            new.writestr(member, change(data) if member == name else data)
    return to


def truncated(file: Path, to: Path) -> Path:
    to.write_bytes(file.read_bytes()[:-2_000])
    return to


def cell(data: bytes) -> bytes:
    """One byte of the rows."""
    return data[:-200] + bytes([data[-200] ^ 1]) + data[-199:]


WRONG: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "no file": (lambda _, to: to, "No such file"),
    "text": (lambda _, to: (to.write_text("hello") and to) or to, "not a zip file"),
    "truncated": (truncated, "not a zip file"),
    "passport": (
        lambda f, to: with_member(f, to, "passport.json", lambda d: d.replace(b"20", b"21", 1)),
        "passport.json: it has the",
    ),
    "rows": (
        lambda f, to: with_member(f, to, "frozen/labels/2024-01-31/1/00000.arrow", cell),
        "labels/2024-01-31/1/00000.arrow: it",
    ),
    "model": (
        lambda f, to: with_member(
            f, to, "model/model.skops", lambda d: d[:-1] + bytes([d[-1] ^ 1])
        ),
        "model/model.skops: it has the digest",
    ),
    "longer": (
        lambda f, to: with_member(f, to, "model/model.skops", lambda d: d + b"x"),
        "bytes, the manifest says",
    ),
    "manifest": (
        lambda f, to: with_member(
            f, to, "export.json", lambda d: d.replace(b'"rows": 4', b'"rows": 5', 1)
        ),
        "revision 1: its rows",
    ),
    "newer": (
        lambda f, to: with_member(
            f, to, "export.json", lambda d: d.replace(b'"format": 1', b'"format": 9')
        ),
        "this export has format 9",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_file_changes_nothing(
    cluster: Cluster, exported: list[Path], tmp_path: Path, wrong: str
) -> None:
    make, words = WRONG[wrong]
    file = make(exported[0], tmp_path / "wrong.version")
    name = f"sf_wrong_{uuid4().hex[:12]}"
    opened = open_platform(cluster.settings(name, tmp_path / "home"), must_be_migrated=False)
    with opened as platform, pytest.raises((BackupDamaged, ImportRefused)) as refused:
        import_version(platform, file)
    assert words in str(refused.value), refused.value


def test_a_backup_is_no_export_and_an_export_no_backup(
    source: Platform, platform: Platform, exported: list[Path], tmp_path: Path
) -> None:
    backup(source, tmp_path / "whole.backup")
    with pytest.raises(
        BackupDamaged,
        match=r"export\.json is missing: this is not an exported version of streamflow",
    ):
        import_version(platform, tmp_path / "whole.backup")
    with pytest.raises(
        BackupDamaged, match=r"manifest\.json is missing: this is not a backup of streamflow"
    ):
        restore(platform, exported[0])


def test_a_catalog_that_lacks_a_column_is_told_where_the_right_one_is(
    cluster: Cluster, exported: list[Path], tmp_path: Path
) -> None:
    lines = [
        line for line in DEFAULT_PATH.read_text().splitlines() if not line.startswith("skips_7d")
    ]
    other = tmp_path / "other.toml"
    other.write_text("\n".join(lines))
    name = f"sf_catalog_{uuid4().hex[:12]}"
    opened = open_platform(
        cluster.settings(name, tmp_path / "home", catalog=other), must_be_migrated=False
    )
    with (
        opened as platform,
        pytest.raises(
            CatalogInvalid,
            match="skips_7d is 'int' in the export, and not declared in the catalog at hand",
        ) as refused,
    ):
        import_version(platform, exported[0])
    assert "catalog.toml: unzip it, and name it with --catalog" in str(refused.value)


# ---- what cannot be exported, and what is interrupted --------------------------------


@contextmanager
def bytes_changed(path: Path) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(before + b"x")
    yield
    path.write_bytes(before)


@pytest.mark.state(JANUARY_TRAINED)
def test_what_is_damaged_or_erased_is_not_exported(
    cluster: Cluster, simulated_drops: Path, open_with: Callable[..., Platform], tmp_path: Path
) -> None:
    platform, file = open_with(trees=5), tmp_path / "one.version"
    (model,) = platform.home.joinpath("artifacts").rglob("model.skops")
    with bytes_changed(model), pytest.raises(ArtifactUntrusted, match="the registered digest is"):
        export(platform, "1", file)
    flip = "UPDATE frozen.labels SET churn_label = NOT churn_label WHERE user_id = '7590-VHVEG'"
    with psycopg.connect(platform.login.conninfo(), autocommit=True) as owner:
        owner.execute("ALTER TABLE frozen.labels DISABLE TRIGGER frozen")
        owner.execute(flip)
        with pytest.raises(
            SnapshotDamaged, match="labels of 2024-01-31, revision 1: its rows have the digest"
        ):
            export(platform, "1", file)
        owner.execute(flip)
        owner.execute("ALTER TABLE frozen.labels ENABLE TRIGGER frozen")
    export(platform, "1", file)
    with pytest.raises(StreamflowError, match="there is a file already|exists"):
        export(platform, "1", file)
    export(platform, "1", file, force=True)
    forget(platform, "7590-VHVEG", why="asked")
    with pytest.raises(NotRebuildable, match="values erased on request"):
        export(platform, "1", file, force=True)
    assert sorted(p.name for p in tmp_path.glob("*version*")) == ["one.version"]


def test_an_import_that_fails_before_mlflow_goes_on_when_it_is_repeated(
    platform: Platform, exported: list[Path]
) -> None:
    client = platform.models._client
    experiment = client.create_experiment(
        "streamflow", artifact_location=(platform.home / "artifacts" / "streamflow").as_uri()
    )
    client.delete_experiment(experiment)
    with pytest.raises(
        StreamflowError, match="the MLflow experiment 'streamflow' was deleted"
    ) as failed:
        import_version(platform, exported[0])
    assert "The frozen rows of the version were imported, the version was not." in str(failed.value)
    assert platform.models.versions() == []
    client.restore_experiment(experiment)
    receipt = import_version(platform, exported[0])
    assert (receipt.version, receipt.revisions, receipt.already) == (1, 0, False)
    assert reproduce(platform, "1").result == IDENTICAL


def test_no_key_stands_outside_of_the_frozen_rows(exported: list[Path]) -> None:
    with ZipFile(exported[0]) as file:
        assert b"7590-VHVEG" not in b"".join(
            file.read(n) for n in file.namelist() if not n.startswith("frozen/")
        )
    assert [path.name for path in sorted(exported[0].parent.iterdir())] == [
        "1.version",
        "2.version",
    ]
