"""Models on a real MLflow in a real PostgreSQL.

The pipeline that is saved, the predictor that answers, and the registry.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4
from zipfile import ZipFile

import mlflow
import numpy as np
import polars as pl
import pytest
from mlflow.tracking import MlflowClient
from mlflow.utils.proto_json_utils import dataframe_from_parsed_json
from psycopg import sql
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from support.stock_mlflow import mlflow_at

from streamflow.catalog import Catalog, Feature, load_catalog, parse_catalog
from streamflow.core.statistics.metrics import evaluate
from streamflow.core.training.background import build_background
from streamflow.core.training.calibration import fit_calibrator
from streamflow.core.training.calibrator import Calibrator
from streamflow.core.training.decision import Decision, Economics
from streamflow.core.versions.version_files import VERSION_FILES, VersionFile
from streamflow.database import Address, connect, ensure_database
from streamflow.errors import ArtifactUntrusted, TrainingImpossible, VersionMissing
from streamflow.files import figures
from streamflow.models import model_file, skops_export
from streamflow.models.kinds import MODEL_KINDS
from streamflow.models.kinds.baseline import FOREST
from streamflow.models.mlflow_model import address_package, write_package
from streamflow.models.model_file import content_digest, file_digest
from streamflow.models.model_selection import Candidate
from streamflow.models.pipelines import (
    ENCODE,
    MIN_PARALLEL_WORK,
    _create_column_transformer,
    encode_rows,
    encoder_of,
    fit_model,
    raw_frame,
)
from streamflow.models.predictor import Predictor, compile_predictor
from streamflow.models.registry import ModelVersion, Registry
from streamflow.models.run_record import RunRecord, TrainingSetIdentity
from streamflow.models.skops_import import import_skops
from streamflow.models.stacked_frame import StackedFrame
from streamflow.models.tracking import log_run

AS_OF = datetime(2024, 1, 31, tzinfo=UTC)
TREES = 40

EVERY_KIND = """
model = "every_kind"
[entity]
name = "user"
key = "user_id"
table = "facts"
[label]
table = "labels"
column = "left"
[views.facts_fv]
table = "facts"
[tables.facts.columns]
count       = { type = "int", view = "facts_fv" }
count_null  = { type = "int", nullable = true, view = "facts_fv" }
fee_null    = { type = "float", nullable = true, view = "facts_fv" }
flag        = { type = "bool", view = "facts_fv" }
flag_null   = { type = "bool", nullable = true, view = "facts_fv" }
kind        = { type = "string", categorical = true, view = "facts_fv" }
kind_null   = { type = "string", nullable = true, categorical = true, view = "facts_fv" }
plan        = { type = "bool", nullable = true, categorical = true, view = "facts_fv" }
zone        = { type = "int", nullable = true, categorical = true, view = "facts_fv" }
[tables.labels.columns]
left = { type = "bool" }
"""


def every_kind() -> Catalog:
    return parse_catalog(EVERY_KIND, origin="test")


def drawn(
    features: tuple[Feature, ...], n: int, *, seed: int, more_categories: bool = False
) -> pl.DataFrame:
    """Random rows for any feature set; a tenth of every nullable column is null."""
    generator = np.random.default_rng(seed)
    columns: dict[str, pl.Series] = {}
    for feature in features:
        kind, name = feature.column.type, feature.name
        names = list(feature.column.categories or ("a", "b", "Zoë"))
        limit = 6 if more_categories else 3
        if kind == "int":
            values = pl.Series(
                name, generator.integers(0, limit if feature.column.categorical else 90, n)
            )
        elif kind == "float":
            values = pl.Series(name, generator.normal(30, 9, n).round(2))
        elif kind == "bool":
            values = pl.Series(name, generator.random(n) < 0.6)
        else:
            values = pl.Series(
                name,
                [[*names, "never seen", "", "No "][i] for i in generator.integers(0, limit, n)],
            )
        if feature.column.nullable:
            values = (
                pl.select(pl.when(pl.Series(generator.random(n) < 0.9)).then(values))
                .to_series()
                .alias(name)
            )
        columns[name] = values
    return pl.DataFrame(columns)


def labels_of(frame: pl.DataFrame, *, seed: int) -> np.ndarray[Any, np.dtype[np.int8]]:
    """Labels that depend on the first number of the frame."""
    first = frame.to_series(0).cast(pl.Float64).to_numpy()
    return (
        np.random.default_rng(seed).random(len(frame)) < 0.15 + 0.5 * (first > np.median(first))
    ).astype(np.int8)


def fitted(
    features: tuple[Feature, ...], *, n: int = 1_500, seed: int = 1, kind: str = "baseline"
) -> Any:
    frame = drawn(features, n, seed=seed)
    return fit_model(
        kind, frame, labels_of(frame, seed=seed), features=features, trees=TREES, seed=42
    )


MONEY = Economics(kept_value=200, offer_cost=20, offer_success=0.3)


def decided(threshold: float = 0.5, calibrator: Calibrator | None = None) -> Decision:
    return Decision(
        threshold=threshold, rule="set", calibrator=calibrator or Calibrator(), economics=MONEY
    )


def bits(values: Any) -> bytes:
    return np.ascontiguousarray(values, dtype=np.float64).tobytes()


# ---- the pipeline and the predictor --------------------------------------------------


@pytest.mark.parametrize("catalog", [load_catalog(None), every_kind()], ids=lambda c: c.model)
@pytest.mark.parametrize("columns", ["all", "categories", "numbers"])
def test_the_first_step_learns_from_blocks_what_it_learns_from_the_whole(
    catalog: Catalog, columns: str, tmp_path: Path
) -> None:
    """Matrix, its order in memory, and the bytes in a model file. No block has every category."""
    features = [
        feature
        for feature in catalog.features
        if columns == "all" or feature.column.categorical == (columns == "categories")
    ]
    names = [feature.name for feature in features]
    more = drawn(catalog.features, 200, seed=3, more_categories=True)
    frames = [drawn(catalog.features, 300, seed=2).drop_nulls(), more, more[:1], more[:0]]
    frame = pl.concat(frames).select(names)
    blocks = [
        block for some in frames for block in StackedFrame.from_frame(some.select(names)).blocks
    ]
    transformer = _create_column_transformer(features)
    matrix = transformer.fit_transform(raw_frame(frame, features))
    encoded = encode_rows(StackedFrame(blocks=tuple(blocks)), features)
    assert encoded is not None
    assert bits(encoded.matrix) == bits(matrix)
    assert encoded.matrix.flags.c_contiguous == matrix.flags.c_contiguous
    skops_export.dump(transformer, tmp_path / "whole")
    skops_export.dump(encoded.transformer, tmp_path / "blocks")
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "blocks").read_bytes()


@pytest.mark.parametrize("catalog", [load_catalog(None), every_kind()], ids=lambda c: c.model)
@pytest.mark.parametrize("nulls", [True, False], ids=["nulls", "no nulls"])
def test_predictor_encoder_and_pipeline_agree_bit_for_bit(catalog: Catalog, nulls: bool) -> None:
    features = catalog.features
    pipeline = fitted(features)
    predictor = compile_predictor(pipeline, decided(0.5))
    frame = drawn(features, 4_000, seed=7, more_categories=True)
    frame = frame if nulls else frame.drop_nulls()
    assert bits(pipeline.named_steps[ENCODE].transform(raw_frame(frame, features))) == bits(
        predictor.encoder.encode_frame(frame)
    )
    expected = pipeline.predict_proba(raw_frame(frame, features))[:, 1]
    assert bits(predictor.probability(frame)) == bits(expected)
    assert bits([predictor.probability_one(row) for row in frame.iter_rows()]) == bits(expected)
    shuffled = frame.select(sorted(frame.columns))
    assert bits(predictor.probability(shuffled)) == bits(expected)


@pytest.mark.parametrize("catalog", [load_catalog(None), every_kind()], ids=lambda c: c.model)
@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_every_kind_answers_alike_one_by_one_and_in_a_batch(catalog: Catalog, kind: str) -> None:
    """Our predictors agree to the last bit.

    The pipeline of stock users agrees to 1e-12, and in every decision.
    """
    features = catalog.features
    pipeline = fitted(features, kind=kind)
    frame = drawn(features, 1_000, seed=7, more_categories=True)
    stock = pipeline.predict_proba(raw_frame(frame, features))[:, 1]
    plain = compile_predictor(pipeline, decided())
    assert np.abs(plain.probability(frame) - stock).max() <= 1e-12
    assert ((plain.probability(frame) >= 0.5) == (stock >= 0.5)).all()
    calibrated = compile_predictor(
        pipeline, decided(calibrator=fit_calibrator(stock, labels_of(frame, seed=7)))
    )
    batch = calibrated.probability(frame)
    assert bits([calibrated.probability_one(row) for row in frame.iter_rows()]) == bits(batch)
    assert (
        np.argsort(batch, kind="stable") == np.argsort(plain.probability(frame), kind="stable")
    ).all()
    assert np.abs(batch - stock).max() > 0.01


def test_a_null_where_training_saw_none_is_answered_alike() -> None:
    features = every_kind().features
    pipeline = fitted(features)
    frame = drawn(features, 50, seed=3).with_columns(
        pl.lit(None, pl.Int64).alias("count"), pl.lit(None, pl.String).alias("kind")
    )
    predictor = compile_predictor(pipeline, decided(0.5))
    expected = pipeline.predict_proba(raw_frame(frame, features))[:, 1]
    assert bits(predictor.probability(frame)) == bits(expected)
    assert bits([predictor.probability_one(row) for row in frame.iter_rows()]) == bits(expected)


def test_a_null_category_is_a_category_and_declared_ones_only_are_encoded() -> None:
    categories = encoder_of(fitted(load_catalog(None).features)).categories
    assert categories == {
        "plan_stream_tv": (0.0, 1.0, None),
        "plan_stream_movies": (0.0, 1.0, None),
        "net_service": ("DSL", "Fiber optic", "No"),
    }


def test_threads_while_fitting_change_no_bit_and_the_model_keeps_one() -> None:
    features = load_catalog(None).features
    frame = drawn(features, 1_500, seed=1)
    assert len(frame) * TREES >= MIN_PARALLEL_WORK  # there are threads
    pipeline, again = fitted(features), fitted(features)
    assert content_digest(pipeline) == content_digest(again)
    assert pipeline.named_steps[FOREST].n_jobs == 1
    alone = again.set_params(**{f"{FOREST}__n_jobs": 1}).fit(
        raw_frame(frame, features), labels_of(frame, seed=1).astype(np.int64)
    )
    assert content_digest(alone) == content_digest(pipeline)
    assert content_digest(fitted(features, seed=2)) != content_digest(pipeline)


def test_one_class_or_no_rows_cannot_be_learned_from() -> None:
    features = load_catalog(None).features
    frame = drawn(features, 10, seed=1)
    with pytest.raises(TrainingImpossible, match="all 10 labels are 1"):
        fit_model("baseline", frame, np.ones(10, np.int8), features=features, trees=2, seed=1)
    with pytest.raises(TrainingImpossible, match="no rows"):
        fit_model(
            "baseline", frame.head(0), np.ones(0, np.int8), features=features, trees=2, seed=1
        )


def test_no_rows_have_no_probabilities_and_too_few_values_are_an_error() -> None:
    features = load_catalog(None).features
    predictor = compile_predictor(fitted(features), decided(0.5))
    assert predictor.probability(drawn(features, 0, seed=1)).shape == (0,)
    with pytest.raises(ValueError, match="expected 14 values, got 1"):
        predictor.probability_one([1])


def test_importing_models_imports_no_vendor() -> None:
    vendors = {"mlflow", "sklearn", "treelite", "skops", "polars", "pandas", "numpy"}
    code = f"import sys, streamflow.models; print(sorted({vendors} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- the file ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_a_saved_model_comes_back_whole(tmp_path: Path, kind: str) -> None:
    features = every_kind().features
    pipeline = fitted(features, kind=kind)
    assert (
        content_digest(pipeline)
        == content_digest(fitted(features, kind=kind))
        != content_digest(fitted(features, kind=kind, seed=2))
    )
    digests = model_file.save(pipeline, tmp_path / "model.skops")
    loaded = model_file.load(tmp_path / "model.skops", expected_digest=digests.file)
    frame = drawn(features, 500, seed=9)
    assert bits(loaded.predict_proba(raw_frame(frame, features))) == bits(
        pipeline.predict_proba(raw_frame(frame, features))
    )
    assert content_digest(loaded) == digests.content == content_digest(pipeline)
    assert file_digest(tmp_path / "model.skops") == digests.file


def test_a_changed_byte_is_refused_before_parsing(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    digests = model_file.save(fitted(every_kind().features), path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ArtifactUntrusted, match="was not parsed") as caught:
        model_file.load(path, expected_digest=digests.file)
    assert caught.value.facts["expected"] == digests.file
    with pytest.raises(ArtifactUntrusted, match="cannot be read"):
        model_file.load(tmp_path / "absent", expected_digest="")


def test_a_type_beyond_our_trust_list_is_refused_even_with_the_right_digest(tmp_path: Path) -> None:
    planted = LogisticRegression()
    planted.callback = os.system
    path = tmp_path / "model.skops"
    skops = import_skops()
    skops.dump(planted, path)
    with pytest.raises(ArtifactUntrusted, match="system"):
        model_file.load(path, expected_digest=file_digest(path))
    skops.dump(LogisticRegression(), path)
    with pytest.raises(ArtifactUntrusted, match="LogisticRegression"):
        model_file.load(path, expected_digest=file_digest(path))
    skops.dump(Pipeline([("encode", GaussianNB())]), path)  # skops by itself would trust it
    with pytest.raises(ArtifactUntrusted, match="GaussianNB|not a model of ours"):
        model_file.load(path, expected_digest=file_digest(path))
    path.write_bytes(b"\x80\x04not a zip")
    with pytest.raises(ArtifactUntrusted):
        model_file.load(path, expected_digest=file_digest(path))


# ---- MLflow --------------------------------------------------------------------------


class Store(NamedTuple):
    """An MLflow in PostgreSQL, migrated; `root` holds its artifacts."""

    uri: str
    root: Path
    address: Address

    @property
    def environment(self) -> dict[str, str]:
        """What MLflow and libpq read."""
        quiet = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "1",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        }
        return {**self.address.environment(), **quiet, "MLFLOW_TRACKING_URI": self.uri}

    def registry(self, name: str) -> Registry:
        return Registry(self.uri, name=name, artifact_root=self.root.as_uri())

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)


@pytest.fixture(scope="module")
def migrated(server: Address, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    name, root = f"models_{uuid4().hex[:12]}", tmp_path_factory.mktemp("artifacts")
    ensure_database(server, name)
    made = Store(uri=server.sqlalchemy_url(name, driver="psycopg2"), root=root, address=server)
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in made.environment.items():
            patch.setenv(variable, value)
        assert made.registry("any").migrate()
        assert not made.registry("any").migrate()
        yield made
        made.registry("any").close()
        drop_database(server, name)


def drop_database(server: Address, name: str) -> None:
    with connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@pytest.fixture
def store(migrated: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for variable, value in migrated.environment.items():
        monkeypatch.setenv(variable, value)
    with mlflow_at(migrated.uri):
        yield migrated
    assert not Path("mlruns").exists()  # where MLflow would write if it were not told


@pytest.fixture(scope="module")
def record() -> RunRecord:
    features = load_catalog(None).features
    pipeline = fitted(features)
    holdout = drawn(features, 600, seed=11)
    label = labels_of(holdout, seed=11)
    probability = compile_predictor(pipeline, decided(0.4)).probability(holdout)
    return RunRecord(
        pipeline=pipeline,
        kind="baseline",
        decision=decided(0.4),
        background=build_background(
            holdout, [feature.name for feature in features if feature.column.categorical]
        ),
        features=features,
        feature_service="streamflow_churn_12345678",
        training_set=TrainingSetIdentity(
            name="streamflow_churn 2024-01-31", digest=sha256(b"rows").hexdigest(), rows=1_500
        ),
        as_of=AS_OF,
        label_as_of=AS_OF,
        known_at=datetime(2024, 3, 1, 12, 30, tzinfo=UTC),
        label_lead=0,
        seed=42,
        split_salt="streamflow",
        holdout_share=0.25,
        metrics=evaluate(label, probability, threshold=0.4, seed=42, draws=50),
        training_seconds=1.5,
        files={"roc.png": figures.draw_roc(label, probability)},
        passport=lambda digests: {"result": {"file": digests.file, "content": digests.content}},
    )


def test_a_run_holds_all_that_was_asked_for(store: Store, record: RunRecord) -> None:
    registry = store.registry("holds_all")
    tried = Candidate(kind="baseline", aucs=(0.7, 0.8), briers=(0.2, 0.1), out_of_fold=np.empty(0))
    logged = registry.log_run(replace(record, candidates=[tried]))
    run = store.client.get_run(logged.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith(store.root.as_uri())
    hyperparameters = record.pipeline.named_steps[FOREST].get_params()
    assert {
        name: str(value) for name, value in hyperparameters.items()
    }.items() <= run.data.params.items()
    named = {
        "as_of": "2024-01-31",
        "label_as_of": "2024-01-31",
        "label_lead": "0",
        "seed": "42",
        "threshold": "0.4",
        "split_salt": "streamflow",
    }
    assert named.items() <= run.data.params.items()
    assert run.data.params["known_at"] == "2024-03-01T12:30:00+00:00"
    for name in (
        "auc",
        "auc_low",
        "auc_high",
        "f1",
        "accuracy",
        "majority_accuracy",
        "average_precision",
        "brier",
        "log_loss",
    ):
        assert run.data.metrics[name] == getattr(record.metrics, name)
    assert run.data.metrics["training_seconds"] == 1.5
    [used] = run.inputs.dataset_inputs
    assert record.training_set.digest.startswith(used.dataset.digest)
    assert {tag.key: tag.value for tag in used.tags}["digest"] == record.training_set.digest
    assert mlflow.data.get_source(used).to_dict()["tags"]["digest"] == record.training_set.digest
    assert {a.path for a in store.client.list_artifacts(logged.run_id)} == {
        "passport.json", "feature_schema.json", "decision.json", "roc.png",
    }  # fmt: skip
    [child] = store.client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{logged.run_id}'"
    )
    assert (child.data.params, child.data.metrics["mean_auc"]) == ({"model": "baseline"}, 0.75)
    passport = Path(
        mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/passport.json")
    ).read_bytes()
    version = registry.version(logged.version)
    assert version.tags["passport_digest"] == logged.passport_digest == sha256(passport).hexdigest()
    assert json.loads(passport)["result"] == {
        "file": version.tags["model_digest"],
        "content": version.tags["content_digest"],
    }
    assert (version.as_of, version.stage, version.aliases, version.run_id) == (
        "2024-01-31",
        "None",
        (),
        logged.run_id,
    )
    assert version.metrics["auc"] == record.metrics.auc


def digests_in_tags(version: ModelVersion) -> dict[VersionFile, str]:
    """The digests of a version that has no passport in a database of ours."""
    return {file: version.tags[file.tag] for file in VERSION_FILES if file.tag in version.tags}


def test_a_version_is_loaded_by_us_and_by_stock_mlflow_alike(
    store: Store, record: RunRecord
) -> None:
    registry = store.registry("stock")
    logged = registry.log_run(record)
    registry.move_to_stage(logged.version, "Production")
    version = registry.version(logged.version)
    assert version.stage == "Production"
    frame = drawn(load_catalog(None).features, 300, seed=21)
    raw = raw_frame(frame, record.features)
    expected = record.pipeline.predict_proba(raw)[:, 1]
    ours = registry.load(version, digests_in_tags(version))
    assert isinstance(ours, Predictor)
    assert ours.threshold == 0.4
    assert bits(ours.probability(frame)) == bits(expected)
    stock = mlflow.sklearn.load_model("models:/stock/Production")
    assert bits(stock.predict_proba(raw)[:, 1]) == bits(expected)
    pyfunc = mlflow.pyfunc.load_model("models:/stock@production")
    served = pyfunc.predict(raw)
    assert bits(served["probability"].to_numpy()) == bits(expected)
    assert served["prediction"].tolist() == (expected >= 0.4).astype(int).tolist()
    assert pyfunc.metadata.run_id == logged.run_id
    assert [column.name for column in pyfunc.metadata.signature.inputs] == [
        f.name for f in record.features
    ]


def test_one_version_at_a_time_is_in_a_stage_and_aliases_follow(
    store: Store, record: RunRecord
) -> None:
    registry = store.registry("stages")
    assert registry.versions() == []
    assert registry.read_stages().versions_by_stage == {"Production": [], "Staging": []}
    for _ in range(3):
        registry.log_run(record)
    registry.move_to_stage(1, "Production")
    registry.move_to_stage(2, "Staging")
    assert placed(registry) == {
        1: ("Production", ("production",)),
        2: ("Staging", ("staging",)),
        3: ("None", ()),
    }
    registry.move_to_stage(2, "Production")
    registry.move_to_stage(2, "Production")
    assert placed(registry) == {
        1: ("Archived", ()),
        2: ("Production", ("production",)),
        3: ("None", ()),
    }
    registry.move_to_stage(2, "Archived")
    assert placed(registry)[2] == ("Archived", ())
    with pytest.raises(VersionMissing, match="has no version 9; there are: 1, 2, 3"):
        registry.move_to_stage(9, "Production")


def placed(registry: Registry) -> dict[int, tuple[str, tuple[str, ...]]]:
    return {v.version: (v.stage, v.aliases) for v in registry.versions()}


def test_several_versions_in_production_are_named_and_not_guessed(
    store: Store, record: RunRecord
) -> None:
    registry = store.registry("several")
    for _ in range(2):
        registry.log_run(record)
        with pytest.warns(FutureWarning, match="deprecated"):
            store.client.transition_model_version_stage(
                "several", str(len(registry.versions())), "Production"
            )
    assert registry.read_stages().versions_by_stage["Production"] == [
        1,
        2,
    ]  # what becomes of that: tests/integration/test_ledger.py
    registry.move_to_stage(1, "Production")
    assert placed(registry) == {1: ("Production", ("production",)), 2: ("Archived", ())}


def test_a_planted_file_is_not_parsed(store: Store, record: RunRecord) -> None:
    registry = store.registry("planted")
    registry.log_run(record)
    version = registry.version(1)
    uri = store.client.get_model_version_download_uri("planted", "1")
    path = Path(uri.removeprefix("file://")) / "model.skops"
    assert file_digest(path) == version.tags["model_digest"]
    honest = path.read_bytes()
    planted = BytesIO(honest)
    with ZipFile(planted, "a") as archive:
        archive.writestr("more", "x")
    path.write_bytes(planted.getvalue())
    with pytest.raises(ArtifactUntrusted, match="was not parsed"):
        registry.load(version, digests_in_tags(version))
    path.unlink()
    with pytest.raises(ArtifactUntrusted, match=r"has no model\.skops"):
        registry.load(version, digests_in_tags(version))
    with pytest.raises(ArtifactUntrusted, match=r"has no digest of model\.skops, decision\.json"):
        registry.load(version, {})


def test_a_version_is_registered_in_its_own_store_after_mlflow_was_pointed_elsewhere(
    store: Store, record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = store.registry("pointed_elsewhere")
    assert registry.versions() == []
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/elsewhere.db")
    try:
        assert registry.log_run(record).version == 1
        assert mlflow.get_tracking_uri() == store.uri
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://of-the-user")
        registry.close()
        assert mlflow.get_tracking_uri() == "http://of-the-user"
        mlflow.set_tracking_uri(store.uri)
        registry.close()
        assert mlflow.get_tracking_uri() != store.uri
    finally:
        mlflow.set_tracking_uri(None)
    assert not (tmp_path / "elsewhere.db").exists()


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")]
)
def test_a_training_that_ends_early_leaves_no_version(
    store: Store, record: RunRecord, error: type[BaseException], status: str
) -> None:
    registry = store.registry(f"early_{status.lower()}")

    def fail(_: object) -> dict[str, object]:
        raise error("no passport")

    with pytest.raises(error):
        registry.log_run(replace(record, passport=fail))
    assert registry.versions() == []
    assert last_run(store).info.status == status


def test_an_interrupt_just_after_registration_takes_the_version_back(
    store: Store, record: RunRecord
) -> None:
    class Interrupted(MlflowClient):
        def set_logged_model_tags(self, model_id: str, tags: dict[str, Any]) -> None:
            raise KeyboardInterrupt

    registry = store.registry("late")
    registry.log_run(record)
    experiment = store.client.get_experiment_by_name("streamflow")
    with pytest.raises(KeyboardInterrupt):
        log_run(
            Interrupted(store.uri),
            record,
            experiment_id=experiment.experiment_id,
            name="late",
            on_registered=lambda *_: None,
        )
    assert [v.version for v in registry.versions()] == [1]
    assert last_run(store).info.status == "KILLED"


def last_run(store: Store) -> Any:
    experiment = store.client.get_experiment_by_name("streamflow")
    [run] = store.client.search_runs(
        [experiment.experiment_id], order_by=["attributes.start_time DESC"], max_results=1
    )
    return run


def test_the_tables_are_in_postgresql_and_migrating_says_nothing(
    store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    name = f"models_{uuid4().hex[:12]}"
    ensure_database(store.address, name)
    registry = Registry(
        store.address.sqlalchemy_url(name, driver="psycopg2"),
        name="x",
        artifact_root=store.root.as_uri(),
    )
    assert registry.migrate()
    registry.close()
    with connect(store.address.with_database(name)) as connection:
        places = connection.execute("SELECT artifact_location FROM experiments").fetchall()
    assert places == [(f"{store.root.as_uri()}/0",)]
    drop_database(store.address, name)  # refused while a connection is open
    assert capfd.readouterr() == ("", "")


# ---- figures -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "draw", [figures.draw_roc, figures.draw_precision_recall, figures.draw_calibration]
)
def test_figures_are_the_same_bytes_for_the_same_numbers(draw: Callable[..., bytes]) -> None:
    generator = np.random.default_rng(0)
    label = generator.random(500) < 0.3
    probability = np.clip(generator.normal(0.3 + 0.2 * label, 0.2), 0, 1)
    first = draw(label, probability)
    assert first.startswith(b"\x89PNG")
    assert first == draw(label, probability)
    assert b"tEXt" not in first  # neither version nor date
    assert draw(label, np.full(500, 0.5)).startswith(b"\x89PNG")


# ---- the MLflow model of stock clients -----------------------------------------------

CALIBRATOR = Calibrator(raw=(0.0, 0.3, 0.7, 1.0), calibrated=(0.01, 0.1, 0.6, 0.9))


def small(kind: str) -> Any:
    return fitted(every_kind().features, n=300, kind=kind)


def package_of(pipeline: Any, folder: Path, decision: Decision) -> None:
    """Write an MLflow model as `train` does."""
    features = every_kind().features
    categorical = [feature.name for feature in features if feature.column.categorical]
    background = build_background(drawn(features, 300, seed=1), categorical)
    write_package(pipeline, folder, features, decision=decision, background=background)
    address_package(folder, model_id="m-1", run_id="5f", location="file:///a b/model")


def as_client(frame: pl.DataFrame) -> Any:
    """The frame in pandas as the signature wants it: numbers that can be null are floats."""
    raw = raw_frame(frame, every_kind().features)
    raw.index += 7
    return raw.astype({"count_null": float, "zone": float})


def test_a_stock_client_gets_the_bits_of_the_predictor(tmp_path: Path) -> None:
    """Each kind, calibrated and not, with nulls and without; all are loaded before one is asked."""
    cases = []
    for kind in MODEL_KINDS:
        pipeline = small(kind)
        for decision in (decided(0.4, CALIBRATOR), decided(0.5)):
            folder = tmp_path / f"{kind} {decision.threshold}"
            package_of(pipeline, folder, decision)
            stock = mlflow.pyfunc.load_model(str(folder))
            cases.append((compile_predictor(pipeline, decision), stock))
    frame = drawn(every_kind().features, 700, seed=5, more_categories=True)
    for predictor, stock in cases:
        for rows in (frame, frame.drop_nulls(), frame.head(1), frame.head(0)):
            raw = as_client(rows)
            answers = stock.predict(raw)
            expected = predictor.probability(rows)
            assert bits(answers["probability"]) == bits(expected)
            assert (answers["prediction"] == (expected >= predictor.threshold)).all()
            assert answers["prediction"].dtype == np.int64
            assert answers.index.equals(raw.index)
        assert len(stock.predict(stock.input_example)) == 1


def test_the_description_names_both_flavours_and_what_goes_in_and_out(tmp_path: Path) -> None:
    pipeline = small("logistic")
    package_of(pipeline, tmp_path / "model", decided(0.4, CALIBRATOR))
    described = mlflow.models.Model.load(str(tmp_path / "model"))
    assert set(described.flavors) == {"python_function", "sklearn"}
    assert described.metadata["flavours"]["sklearn"].startswith("the bare pipeline")
    assert described.metadata["flavours"]["python_function"].startswith("the served answer")
    assert [(column.name, column.type.name) for column in described.signature.outputs] == [
        ("probability", "double"),
        ("prediction", "long"),
    ]
    assert (described.run_id, described.artifact_path) == ("5f", "file:///a b/model")
    raw = as_client(drawn(every_kind().features, 50, seed=2))
    bare = mlflow.sklearn.load_model(str(tmp_path / "model"))
    assert bits(bare.predict_proba(raw)) == bits(pipeline.predict_proba(raw))
    requirements = (tmp_path / "model" / "requirements.txt").read_text().splitlines()
    assert requirements[0] == "mlflow>=2.22,<4"
    assert [line.split("==")[0] for line in requirements[1:]] == [
        "numpy", "pandas", "scikit-learn", "scipy", "skops",
    ]  # fmt: skip
    assert not any("streamflow" in line for line in requirements)


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_equal_models_are_equal_files(tmp_path: Path, kind: str) -> None:
    written = []
    for name in ("first", "second"):
        package_of(small(kind), tmp_path / name, decided(0.4, CALIBRATOR))
        files = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        digests = {file.name: file.digest(files[file.name]) for file in VERSION_FILES
                   if file.in_package}  # fmt: skip
        assert set(digests) == set(files)
        written.append((digests, {name: files[name] for name in files if name != "MLmodel"}))
    assert written[0] == written[1]


def test_a_null_is_refused_where_the_model_has_never_seen_one(tmp_path: Path) -> None:
    package_of(small("logistic"), tmp_path / "model", decided(0.4))
    stock = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    raw = as_client(drawn(every_kind().features, 9, seed=2))
    raw.loc[10, "kind"] = None
    with pytest.raises(
        ValueError, match="the feature kind has no value in 1 of 9 rows, first in row 3"
    ):
        stock.predict(raw)


def test_a_bool_is_checked_and_a_null_stays_a_null(tmp_path: Path) -> None:
    """MLflow's server reads JSON by the signature. Of a bool it would make false of a null."""
    decision = decided(0.4, CALIBRATOR)
    pipeline = small("logistic")
    package_of(pipeline, tmp_path / "model", decision)
    stock = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    frame = drawn(every_kind().features, 90, seed=3)
    split = {"columns": frame.columns, "data": [list(row) for row in frame.rows()]}
    schema = stock.metadata.get_input_schema()
    answers = stock.predict(dataframe_from_parsed_json(split, "split", schema))
    expected = compile_predictor(pipeline, decision).probability(frame)
    assert frame["flag_null"].null_count() > 0
    assert bits(answers["probability"]) == bits(expected)
    raw = as_client(frame)
    raw["flag"] = "True"
    with pytest.raises(ValueError, match="the feature flag is true or false, got 'True'"):
        stock.predict(raw)


def test_the_model_of_an_earlier_release_keeps_its_description(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(
        "flavors:\n  sklearn:\n    pickled_model: model.skops\nrun_id: former\n"
    )
    address_package(tmp_path, model_id="m-2", run_id="6a", location="file:///b")
    described = mlflow.models.Model.load(str(tmp_path))
    assert (described.run_id, described.model_id, described.flavors) == (
        "6a",
        "m-2",
        {"sklearn": {"pickled_model": "model.skops"}},
    )
