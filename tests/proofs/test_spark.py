"""Proof: local, Sail and Apache Spark give equal digests of training sets, versions and scores.

Everything is done twice: with the frozen rows in PostgreSQL, and in a lake that the workers read.
The drops have nulls, a correction of the first month that came late and lacks users, and a user
who was forgotten. Apache Spark needs Java 17 and SPARK_HOME, or pyspark in build/spark; without
them its half is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Timer

import polars as pl
import pytest
from conftest import Cluster
from polars.testing import assert_frame_equal
from support.chain import FEBRUARY, JANUARY, MARCH, copy_drop, load
from support.spark_servers import apache_spark_server, sail_server

from streamflow.core.data.digest import digest_frame
from streamflow.errors import EngineFailed, EngineUnavailable, SnapshotDamaged
from streamflow.platform import Platform, open_platform
from streamflow.spark.session import SparkEngine, open_engine
from streamflow.steps.data.engine import open_step_engine
from streamflow.steps.data.engine_digests import compute_digests
from streamflow.steps.data.forget import forget
from streamflow.steps.data.frozen_checks import held_against_digests
from streamflow.steps.data.simulate import simulate
from streamflow.steps.serving import score as score_step
from streamflow.steps.serving.score_task import plan_scoring
from streamflow.steps.training.train import train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.versions.rebuild_verdict import IDENTICAL
from streamflow.steps.versions.reproduce import reproduce
from streamflow.steps.versions.verify import verify
from streamflow.warehouse import frozen, lake_revisions

USERS = 1_500
REMOVED_USERS = 100
MONTHS = (JANUARY, FEBRUARY, MARCH)
KINDS = ("baseline", "logistic", "boosting")
SETS = {
    "January": (JANUARY, {}),
    "labels of March": (JANUARY, {"label_lead": 2}),
    "three months": (MARCH, {"months": 3}),
}
SCORE_TYPES = {"key": "string", "probability": "float"}


def load_months(platform: Platform, folder: Path) -> None:
    simulate(folder / "drops", users=USERS, months=3, seed=16, notify=lambda _: None)
    for number, as_of in enumerate(MONTHS):
        load(platform, folder / "drops" / f"month_{number:03d}", as_of)
    every_third = pl.int_range(pl.len()) % 3 == 0
    tv = pl.when(every_third).then(pl.lit("")).otherwise(pl.col("plan_stream_tv"))
    late = copy_drop(
        folder / "drops" / "month_000", folder / "late", subscriptions={"plan_stream_tv": tv}
    )
    for path in late.glob("*.csv"):
        pl.read_csv(path, infer_schema=False).slice(REMOVED_USERS).write_csv(path)
    load(platform, late, JANUARY)
    users = pl.read_csv(late / "users.csv", infer_schema=False)["user_id"]
    forget(platform, users[0], why="asked for")


@pytest.fixture(scope="module", params=["PostgreSQL", "lake"])
def local(
    request: pytest.FixtureRequest, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Three months, and a version of each kind that was trained locally."""
    folder = tmp_path_factory.mktemp("spark")
    cluster.clone("sf_proof_spark")
    lake = str(folder / "lake") if request.param == "lake" else None
    settings = cluster.settings("sf_proof_spark", folder / "home", trees=20, lake=lake)
    with open_platform(settings) as platform:
        load_months(platform, folder)
        for kind in KINDS:
            train(with_settings(platform, model=kind), JANUARY)
        yield platform
    cluster.drop("sf_proof_spark")


def with_settings(platform: Platform, **values: object) -> Platform:
    return replace(platform, settings=platform.settings.with_values(values))


@pytest.fixture(scope="module", params=["Sail", "Apache Spark"])
def spark(
    request: pytest.FixtureRequest, local: Platform, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("server")
    server = sail_server() if request.param == "Sail" else apache_spark_server(folder)
    with server as remote:
        platform = with_settings(local, engine="spark", spark_remote=remote)
        yield platform
        # MLflow asks the first session that is still open, and this server ends now.
        engine = open_step_engine(platform)
        assert engine is not None
        engine.close()


def remote_of(platform: Platform) -> str:
    assert platform.settings.spark_remote is not None
    return platform.settings.spark_remote.get_secret_value()


@pytest.mark.parametrize("name", SETS)
def test_equal_training_sets(local: Platform, spark: Platform, name: str) -> None:
    as_of, options = SETS[name]
    expected = training_set(local, as_of, **options)
    computed = training_set(spark, as_of, **options)
    assert computed.digest == expected.digest
    print(f"\n{name}: {expected.row_count:,} rows, {expected.digest[:16]}")


def answers_of(platform: Platform, version: int, engine: SparkEngine | None = None) -> pl.DataFrame:
    task = plan_scoring(platform, FEBRUARY, version, explain=False)
    with held_against_digests(platform, task.revisions, state="", engine=engine):
        chunks = score_step._answer_chunks(platform, task, 20_000, engine)
        return pl.concat(chunks).sort("key")


@pytest.mark.parametrize("version", range(1, 1 + len(KINDS)))
def test_equal_scores(local: Platform, spark: Platform, version: int) -> None:
    expected = answers_of(local, version)
    with closing(open_engine(remote_of(spark))) as engine:
        computed = answers_of(local, version, engine)
    assert_frame_equal(computed, expected, check_exact=True)
    digest = digest_frame(expected.select(*SCORE_TYPES), key="key", types=SCORE_TYPES).value
    print(f"\n{KINDS[version - 1]}: {len(expected):,} answers, {digest[:16]}")


def test_equal_reasons(local: Platform, spark: Platform) -> None:
    """The logistic regression, whose reasons are quick."""
    task = plan_scoring(local, FEBRUARY, 2, explain=True)
    with held_against_digests(local, task.revisions, state=""):
        expected = pl.concat(score_step._answer_chunks(local, task, 20_000, None)).sort("key")
    with closing(open_engine(remote_of(spark))) as engine:
        computed = pl.concat(score_step._answer_chunks(local, task, 20_000, engine)).sort("key")
    assert_frame_equal(computed, expected, check_exact=True)


def test_equal_digests_of_revisions(local: Platform, spark: Platform) -> None:
    """What the workers compute from the files is what was recorded; an edited file is refused."""
    in_lake = lake_revisions.revisions_in_lake(local.connection)
    if not in_lake:
        pytest.skip("the frozen rows are in PostgreSQL")
    pairs = []
    for revision in frozen.all_revisions(local.connection):
        digest = frozen.stored_digest(local.connection, revision)
        pairs.append((in_lake[revision.revision_key], digest))
    with closing(open_engine(remote_of(spark))) as engine:
        assert compute_digests(local, engine, pairs) == [digest for _, digest in pairs]
    print(f"\n{len(pairs)} revisions")
    key = ("subscriptions", FEBRUARY, 1)
    (address,) = local.lake.list_files(key[0], in_lake[key].snapshot_id)
    path = Path(address.removeprefix("file://"))
    content = path.read_bytes()
    edited = pl.read_parquet(path).with_columns(monthly_fee=pl.col("monthly_fee") + 0.01)
    edited.write_parquet(path)
    with pytest.raises(SnapshotDamaged, match="values differ in monthly_fee"):
        training_set(spark, FEBRUARY)
    path.write_bytes(content)
    assert training_set(spark, FEBRUARY).digest == training_set(local, FEBRUARY).digest


def test_a_version_of_one_engine_is_reproduced_by_the_other(
    local: Platform, spark: Platform
) -> None:
    assert reproduce(spark, "1").result == IDENTICAL
    trained = train(spark, MARCH, months=2)
    assert reproduce(local, str(trained.version)).result == IDENTICAL
    assert verify(spark, str(trained.version)).holds


def test_a_server_that_is_killed_leaves_nothing_and_the_next_run_gives_the_digest(
    local: Platform,
) -> None:
    """The server ends at several moments of a scoring; each time nothing may be written."""
    expected = answers_of(local, 3)
    ended = 0
    with ThreadPoolExecutor(1) as pool:
        for delay in (0.0, 0.2, 0.5, 1.0, 2.0):
            server = sail_server()
            remote = server.__enter__()
            spark = with_settings(local, engine="spark", spark_remote=remote)
            killer = Timer(delay, lambda server=server: server.__exit__(None, None, None))
            scoring = pool.submit(score_step.score, spark, FEBRUARY, version=3)
            killer.start()
            error = scoring.exception()
            killer.join()
            if error is None:
                break
            assert isinstance(error, EngineUnavailable | EngineFailed), error
            ended += 1
            runs = local.connection.execute("SELECT count(*) FROM streamflow.score_run")
            assert runs.fetchone() == (0,)
    assert ended > 0
    with sail_server() as remote:
        spark = with_settings(local, engine="spark", spark_remote=remote)
        run = score_step.score(spark, FEBRUARY, version=3).run
    digest = digest_frame(expected.select(*SCORE_TYPES), key="key", types=SCORE_TYPES).value
    assert run.digest == digest
    print(f"\n{ended} scorings lost their server: nothing was written; then {digest[:16]}")
