"""Steps on the engine give the digests of the local ones.

The installation has nulls, a correction of January that came late and lacks users, and a user who
was forgotten. The engine is a real Sail server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import Cluster
from polars.testing import assert_frame_equal
from support.chain import FEBRUARY, JANUARY, copy_drop, load
from support.command import called
from support.console import read_blocks
from support.spark_servers import sail_server
from support.states import TWO_MONTHS, in_state

from streamflow.errors import EngineFailed, EngineUnavailable
from streamflow.platform import Platform, open_platform
from streamflow.spark.session import SparkEngine, open_engine
from streamflow.steps.data import worker_installation
from streamflow.steps.data.forget import forget
from streamflow.steps.serving import score as score_step
from streamflow.steps.serving.score_task import plan_scoring
from streamflow.steps.training.training_set import training_set
from streamflow.steps.upkeep.move_to_lake import move_to_lake
from streamflow.steps.versions.rebuilt_training_set import rebuild_training_set
from streamflow.steps.versions.recorded_version import find_recorded_version
from streamflow.warehouse import frozen

REMOVED_USERS = 20
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "spark.md"
TEST = "tests/integration/test_spark_engine.py"  # the mark of the page's command


@pytest.fixture(scope="module")
def local(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("spark")
    with in_state(cluster, TWO_MONTHS, simulated_drops, folder / "home") as platform:
        every_third = pl.int_range(pl.len()) % 3 == 0
        tv = pl.when(every_third).then(pl.lit("")).otherwise(pl.col("plan_stream_tv"))
        late = copy_drop(
            simulated_drops / "month_000", folder / "late", subscriptions={"plan_stream_tv": tv}
        )
        for path in late.glob("*.csv"):
            pl.read_csv(path, infer_schema=False).slice(REMOVED_USERS).write_csv(path)
        load(platform, late, JANUARY)
        yield platform


@pytest.fixture(scope="module")
def without_a_user(local: Platform) -> Platform:
    """After it no version of January can be reproduced."""
    key = local.catalog.entity.key
    row = local.connection.execute(f"SELECT max({key}) FROM raw.users").fetchone()
    assert row is not None
    forget(local, row[0], why="asked for")
    return local


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    with sail_server() as remote:
        yield remote


@pytest.fixture
def spark(local: Platform, engine: str) -> Platform:
    return on_engine(local, engine)


def on_engine(platform: Platform, remote: str) -> Platform:
    settings = platform.settings.with_values({"engine": "spark", "spark_remote": remote})
    return replace(platform, settings=settings)


def before_the_correction(platform: Platform) -> datetime:
    """The last instant at which nothing of the correction of January was known."""
    known_at = {True: [], False: []}
    for revision in frozen.all_revisions(platform.connection):
        known_at[revision.revision > 1].append(revision.known_at)
    assert min(known_at[True]) > max(known_at[False])
    return max(known_at[False])


def test_the_command_of_the_page_computes_the_local_training_set(
    local: Platform, engine: str, cluster: Cluster
) -> None:
    """The page is spark.md."""
    (block,) = [block for block in read_blocks(PAGE.read_text("utf-8")) if block.run_by == TEST]
    (command,) = block.commands
    variables = cluster.variables(local.login.database, local.home)
    words = command.text.split()[1:]
    assert words[-2:] == ["--engine", "spark"]
    done = called(local.home, *words, extra={**variables, "STREAMFLOW_SPARK_REMOTE": engine})
    assert done.returncode == 0, done.stderr
    assert training_set(local, JANUARY).digest in done.stdout


def test_a_recorded_training_set_is_rebuilt_on_the_engine(spark: Platform) -> None:
    passport = find_recorded_version(spark, "1").passport
    rebuilt = rebuild_training_set(spark, passport)
    assert rebuilt.digest == passport.result["training_set"]["digest"]


@pytest.mark.parametrize(
    ("as_of", "options"),
    [
        (JANUARY, {}),
        (FEBRUARY, {"months": 2}),
        (JANUARY, {"known_at": "before the correction"}),
    ],
)
def test_a_training_set_of_the_engine_has_the_digest_of_the_local_one(
    without_a_user: Platform, spark: Platform, as_of: datetime, options: Mapping[str, Any]
) -> None:
    named = dict(options)
    if "known_at" in named:
        named["known_at"] = before_the_correction(without_a_user)
    expected = training_set(without_a_user, as_of, **named)
    computed = training_set(spark, as_of, **named)
    assert computed.digest == expected.digest
    assert_frame_equal(
        computed.dated_rows.drop("known_at", strict=False),
        expected.dated_rows.drop("known_at", strict=False),
    )
    assert expected.frame["plan_stream_tv"].null_count() > 0


def answers_of(platform: Platform, as_of: datetime, engine: SparkEngine | None) -> pl.DataFrame:
    """All answers of version 1 for a drop, by key."""
    task = plan_scoring(platform, as_of, 1, explain=False)
    chunks = score_step._answer_chunks(platform, task, 150, engine)
    return pl.concat(chunks).sort("key")


def test_the_answers_of_the_engine_are_the_local_ones(
    without_a_user: Platform, engine: str
) -> None:
    expected = answers_of(without_a_user, JANUARY, None)
    with closing(open_engine(engine)) as session:
        computed = answers_of(without_a_user, JANUARY, session)
    assert_frame_equal(computed, expected, check_exact=True)


def test_the_rule_with_reasons_can_be_sent_to_a_worker(local: Platform) -> None:
    from pyspark import cloudpickle

    task = plan_scoring(local, FEBRUARY, 1, explain=True)
    rows = next(score_step._feature_chunks(local, task, 3))
    rule = task.make_rule(local.catalog)
    sent = cloudpickle.loads(cloudpickle.dumps(rule))
    answers = rule.answer(rows)
    assert_frame_equal(sent.answer(rows), answers, check_exact=True)
    assert answers["reasons"].null_count() == 0


def test_a_drop_is_scored_on_the_engine(without_a_user: Platform, spark: Platform) -> None:
    on_engine = score_step.score(spark, FEBRUARY, version=1)
    here = answers_of(without_a_user, FEBRUARY, None)
    assert on_engine.new
    assert on_engine.run.digest == score_step._digest([here.select("key", "probability")])
    assert not score_step.score(without_a_user, FEBRUARY, version=1).new


def test_a_worker_with_a_different_code_is_refused_and_nothing_is_written(
    spark: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_installation, "code_digest", lambda: "of the command")
    with pytest.raises(EngineFailed, match="this worker has a different code of streamflow"):
        score_step.score(spark, JANUARY, version=1)
    runs = spark.connection.execute(
        "SELECT count(*) FROM streamflow.score_run WHERE as_of = %s", [JANUARY]
    )
    assert runs.fetchone() == (0,)


def test_without_its_server_a_step_ends_and_computes_nothing_locally(local: Platform) -> None:
    absent = on_engine(local, "sc://127.0.0.1:1")
    with pytest.raises(EngineUnavailable, match=r"127\.0\.0\.1:1") as refused:
        training_set(absent, JANUARY)
    assert "Nothing was changed." in str(refused.value)


def test_a_command_opens_one_session_and_sends_each_revision_once(
    local: Platform, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, sent = [], []

    def open_session(remote: str) -> SparkEngine:
        opened.append(open_engine(remote))
        return opened[-1]

    send = SparkEngine.send
    monkeypatch.setattr("streamflow.spark.session.open_engine", open_session)
    monkeypatch.setattr(
        SparkEngine, "send", lambda self, rows: sent.append(rows) or send(self, rows)
    )
    with open_platform(on_engine(local, engine).settings) as platform:
        first = training_set(platform, JANUARY)
        after_first = len(sent)
        assert training_set(platform, JANUARY).digest == first.digest
        assert (len(opened), len(sent)) == (1, after_first + 1), "the keys alone are sent again"
    with pytest.raises(EngineFailed, match="session|stopped|closed"):
        opened[0].query("SELECT 1")


def test_the_engine_and_the_lake_together_give_the_digest_of_neither(
    local: Platform, engine: str, tmp_path: Path
) -> None:
    expected = training_set(local, FEBRUARY, months=2).digest
    settings = on_engine(local, engine).settings.with_values({"lake": str(tmp_path / "lake")})
    with open_platform(settings) as platform:
        assert move_to_lake(platform).revisions > 0
    with open_platform(settings) as platform:
        assert training_set(platform, FEBRUARY, months=2).digest == expected
