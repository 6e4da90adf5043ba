"""score: a whole drop gets the answers of /predict, once, completely or not at all.

And what becomes of scores later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import polars as pl
import psycopg
import pytest
from conftest import Cluster
from pyarrow import parquet
from support.api import asked
from support.api import served as api_of
from support.chain import FEBRUARY, JANUARY, NOW, copy_drop, load, run
from support.command import called
from support.frozen import record_again
from support.states import JANUARY_SERVED, in_state

from streamflow.errors import FeaturesMissing, SnapshotMissing, StreamflowError, VersionMissing
from streamflow.platform import Platform, open_platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.materialize import materialize
from streamflow.steps.serving.explain import explain
from streamflow.steps.serving.predict import Prediction, predict_rows
from streamflow.steps.serving.score import ScoreReceipt, score
from streamflow.steps.serving.serving_version import load_serving
from streamflow.steps.upkeep.prune import prune
from streamflow.warehouse import scores

KEY = "7590-VHVEG"


@pytest.fixture(scope="module")
def served(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Two months: February is live, with more nulls; a version of January is in Production.

    The tests build on each other, in order.
    """
    folder = tmp_path_factory.mktemp("score")
    nulls = {
        "plan_stream_tv": pl.when(pl.int_range(pl.len()) % 3 == 0)
        .then(pl.lit(""))
        .otherwise(pl.col("plan_stream_tv"))
    }
    february = copy_drop(simulated_drops / "month_001", folder / "february", subscriptions=nulls)
    with in_state(cluster, JANUARY_SERVED, simulated_drops, folder / "home") as platform:
        run(platform, february, FEBRUARY)
        yield platform


def stored(platform: Platform, receipt: ScoreReceipt) -> pl.DataFrame:
    return pl.concat(scores.read_scores(platform.address, receipt.run))


def require_agreement(platform: Platform, receipt: ScoreReceipt) -> pl.DataFrame:
    """Each row of a run against the answer of /predict, to the last bit."""
    rows, serving = stored(platform, receipt), load_serving(platform)
    keys = rows["key"].to_list()
    told = predict_rows(serving, keys, serving.reader.read_many(platform.connection, keys), now=NOW)
    for row, found in zip(rows.iter_rows(named=True), told, strict=True):
        if row["missing"] is None:
            assert isinstance(found, Prediction)
            assert (row["probability"].hex(), row["prediction"]) == (
                found.probability.hex(),
                found.prediction,
            )
            assert row["features_as_of"] == found.as_of
            continue
        assert (row["probability"], row["prediction"]) == (None, None)
        assert isinstance(found, FeaturesMissing)
        assert row["missing"].split(", ") == found.facts["missing_features"]
    return rows


def test_score_is_predict_for_each_key_whatever_the_part(served: Platform) -> None:
    whole = score(served, FEBRUARY)
    rows = require_agreement(served, whole)
    run = whole.run
    assert (whole.new, run.rows, run.missing) == (True, len(rows), 0)
    assert 0 < run.flagged == rows["prediction"].sum() < len(rows)
    assert {words.split(",")[0] for words in whole.revisions} >= {
        "users of 2024-02-29",
        "subscriptions of 2024-02-29",
    }
    with served.maintenance_connection() as connection:
        scores.delete_runs(connection, [run.id])
    again = score(served, FEBRUARY, batch_size=37)
    assert again.new
    assert stored(served, again).equals(rows)
    assert (again.run.digest, again.run.evidence_digest) == (run.digest, run.evidence_digest)


def test_the_same_is_not_scored_twice_not_even_at_once(served: Platform, cluster: Cluster) -> None:
    before = score(served, FEBRUARY).run
    assert not score(served, FEBRUARY).new

    def one(_: int) -> ScoreReceipt:
        with open_platform(served.settings) as platform:
            return score(platform, JANUARY)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(one, range(2)))
    assert sorted(r.new for r in found) == [False, True]
    assert found[0].run == found[1].run
    assert before.id != found[0].run.id


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_has_every_row_with_version_threshold_and_revision(
    served: Platform, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / f"scores.{kind}"
    receipt = score(served, FEBRUARY, out=out)
    found = pl.read_csv(out) if kind == "csv" else pl.read_parquet(out)
    rows = stored(served, receipt)
    assert found["user_id"].to_list() == rows["key"].to_list()
    assert [p.hex() for p in found["probability"]] == [p.hex() for p in rows["probability"]]
    assert found.select("version", "threshold", "revision").unique().rows() == [
        (1, receipt.run.threshold, 1)
    ]
    assert [
        p.name for p in tmp_path.iterdir() if p.name.startswith("scores") or p.name.startswith(".")
    ] == [out.name]
    if kind == "parquet":
        facts = json.loads(parquet.read_schema(out).metadata[b"streamflow.score"])
        assert facts["digest"] == receipt.run.digest
        assert facts["revisions"] == scores.evidence_of(served.connection, receipt.run)["revisions"]


def test_reasons_of_rows_are_those_of_explain(served: Platform) -> None:
    receipt = score(served, FEBRUARY, explain=True)
    plain = score(served, FEBRUARY)
    assert (receipt.new, plain.new) == (True, False)
    assert receipt.run.digest == plain.run.digest
    rows = stored(served, receipt)
    told = json.loads(rows.filter(pl.col("key") == KEY)["reasons"].item())
    found = explain(served, KEY, now=NOW).explanation
    assert [(r["feature"], r["contribution"], r["words"]) for r in told] == [
        (c.feature, c.contribution, c.words) for c in found.top(3)
    ]
    assert rows["reasons"].null_count() == 0
    assert found.contributions[0].population != type(found.contributions[0].population)()


def test_the_api_says_what_explain_and_score_say(served: Platform) -> None:
    """Over HTTP, one answer, a batch and the whole drop agree to the last bit.

    So do the reasons.
    """
    rows = stored(served, score(served, FEBRUARY))
    keys = rows["key"].to_list()[:200]
    with api_of(served) as base:
        batch = asked(f"{base}/predict/batch", {"user_ids": keys}).body["predictions"]
        single = asked(f"{base}/predict", {"user_id": KEY}).body
        body = asked(f"{base}/explain", {"user_id": KEY}).body
    said = dict(zip(rows["key"], rows["probability"], strict=True))
    assert [entry["probability"].hex() for entry in batch] == [said[key].hex() for key in keys]
    direct = explain(served, KEY, now=NOW)
    assert (single["probability"], body["probability"]) == (said[KEY], said[KEY])
    told = [(c["feature"], c["contribution"], c["population"]) for c in body["contributions"]]
    assert told == [
        (c.feature, c.contribution, vars(c.population)) for c in direct.explanation.contributions
    ]
    assert body["base"] + sum(c["contribution"] for c in body["contributions"]) == pytest.approx(
        body["margin"], abs=1e-6
    )
    assert body["margin"] + body["calibration"] == pytest.approx(body["probability"], abs=1e-9)
    assert (body["user_id"], body["unit"], body["model"]) == (KEY, "probability", single["model"])


def test_what_cannot_be_scored_is_said_and_leaves_nothing(
    served: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = counts(served)
    with pytest.raises(SnapshotMissing, match="no snapshot of 2023-12-31"):
        score(served, JANUARY.replace(year=2023, month=12))
    with pytest.raises(VersionMissing, match="has no version 99"):
        score(served, FEBRUARY, version=99)
    with pytest.raises(StreamflowError, match=r"must end in .parquet or .csv"):
        score(served, FEBRUARY, out=tmp_path / "scores.txt")
    corrected = copy_drop(
        tmp_drop(served), tmp_path / "late", usage_agg_30d={"skips_7d": pl.lit("2")}
    )
    load(served, corrected, FEBRUARY)

    def interrupted(words: str) -> None:
        if words.startswith("entering the run"):  # on a busy machine, progress is told before
            raise KeyboardInterrupt(words)

    with pytest.raises(KeyboardInterrupt, match="entering the run"):
        score(replace(served, notify=interrupted), FEBRUARY)
    assert counts(served) == before


def tmp_drop(served: Platform) -> Path:
    return served.home.parent / "february"


def counts(platform: Platform) -> tuple[int, int]:
    row = platform.connection.execute(
        "SELECT (SELECT count(*) FROM streamflow.score), (SELECT count(*)"
        " FROM streamflow.score_run)"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_a_key_that_is_forgotten_while_it_is_scored_does_not_come_back(served: Platform) -> None:
    before = counts(served)
    other = next(key for key in stored(served, score(served, JANUARY))["key"] if key != KEY)

    def forgotten(words: str) -> None:
        if words.startswith("entering the run"):  # on a busy machine, progress is told before
            forget(served, other, why="a request")

    with pytest.raises(
        SnapshotMissing, match="was changed by 'forget' or 'prune' while it was read"
    ):
        score(replace(served, notify=forgotten), FEBRUARY)
    assert counts(served)[1] == before[1]
    rows = stored(served, score(served, FEBRUARY))
    assert other not in rows["key"]
    assert KEY in rows["key"]


def test_forget_takes_scores_and_only_the_maintenance_role_may(served: Platform) -> None:
    score(served, FEBRUARY)
    for statement in (
        "DELETE FROM streamflow.score",
        "UPDATE streamflow.score SET probability = 0",
        "TRUNCATE streamflow.score_run",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            served.connection.execute(statement)  # type: ignore[arg-type]
    receipt = forget(served, KEY, why="a request")
    assert receipt.rows["streamflow.score"] > 1
    row = served.connection.execute(
        "SELECT count(*) FROM streamflow.score WHERE key = %s", [KEY]
    ).fetchone()
    assert row == (0,)


def test_prune_keeps_the_newest_of_each_drop_and_version(served: Platform) -> None:
    newest = score(served, FEBRUARY, explain=True).run
    january = score(served, JANUARY).run
    runs = counts(served)[1]
    receipt = prune(served, dry_run=True)
    assert counts(served)[1] == runs
    assert prune(served).scores == receipt.scores
    left = served.connection.execute("SELECT id FROM streamflow.score_run ORDER BY id").fetchall()
    assert left == [(newest.id,), (january.id,)]
    assert len(receipt.scores) == runs - 2
    orphans = served.connection.execute(
        "SELECT count(*)"
        " FROM streamflow.score s WHERE NOT EXISTS (SELECT"
        " FROM streamflow.score_run r WHERE r.id = s.score_run)"
    ).fetchone()
    assert orphans == (0,)


def test_a_row_without_a_value_that_is_promised_has_no_probability(served: Platform) -> None:
    """Values that no drop can bring, since ingest refuses them, but a column added later can."""
    materialize(served)  # the corrected February
    keys = stored(served, score(served, FEBRUARY))["key"].to_list()[:5]
    with served.maintenance_connection() as connection:
        connection.execute("DELETE FROM frozen.usage_agg_30d WHERE user_id = ANY(%s)", [keys[:3]])
        connection.execute(
            "DELETE FROM online.usage_agg_30d_fv WHERE user_id = ANY(%s)", [keys[:3]]
        )
        for table in ("frozen.payments_agg_90d", "online.payments_agg_90d_fv"):
            connection.execute(
                f"UPDATE {table} SET failed_payments_90d = NULL WHERE user_id = ANY(%s)", [keys[2:]]
            )  # type: ignore[arg-type]
    record_again(served)
    receipt = score(served, FEBRUARY, explain=True)
    assert receipt.new
    assert receipt.run.missing == 5
    rows = require_agreement(served, receipt)
    assert (
        rows.filter(pl.col("key").is_in(keys))["missing"].str.contains("failed_payments_90d").sum()
        == 3
    )
    assert rows["missing"].null_count() == rows["reasons"].count() == len(rows) - 5


def test_the_command_line(served: Platform, cluster: Cluster, tmp_path: Path) -> None:
    name = served.settings.database_url
    assert name is not None
    extra = {
        "STREAMFLOW_DATABASE_URL": name.get_secret_value(),
        "STREAMFLOW_MLFLOW_DATABASE": served.settings.mlflow_database,
    }
    out = tmp_path / "scores.csv"
    done = called(served.home, "score", "--as-of", "2024-02-29", "--out", str(out), extra=extra)
    assert done.returncode == 0, done.stderr
    assert "[OK] scored as_of=2024-02-29 version=1" in done.stdout
    assert len(out.read_text().splitlines()) > 300
    key = out.read_text().splitlines()[-1].split(",")[0]
    said = called(served.home, "explain", key, "--top", "2", extra=extra)
    assert said.returncode == 0, said.stderr
    assert f"prediction for {key}" in said.stdout
    as_json = json.loads(called(served.home, "explain", key, "--json", extra=extra).stdout)
    found = as_json["explanation"]
    assert found["base"] + sum(c["contribution"] for c in found["contributions"]) == pytest.approx(
        found["margin"], abs=1e-6
    )
