"""promote: what the gate asks, on which rows, and what it does when they cannot be had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from conftest import Cluster
from mlflow import MlflowClient
from support.chain import FEBRUARY, JANUARY, copy_drop, database_digest, load, run
from typer.testing import CliRunner

from streamflow.catalog import DEFAULT_PATH, parse_catalog
from streamflow.cli import score_receipts
from streamflow.cli.app import app
from streamflow.core.promotion.gate import GateCondition
from streamflow.core.statistics.metrics import auc
from streamflow.core.training.split import is_holdout
from streamflow.errors import ArtifactUntrusted, VersionMissing
from streamflow.platform import Platform, open_platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.migrate import migrate
from streamflow.steps.data.simulate import simulate
from streamflow.steps.promotion.gate import Examination, examine
from streamflow.steps.promotion.promote import PromoteReceipt, promote
from streamflow.steps.promotion.unseen_users import (
    find_newest_labelled_drop,
    predict_unseen,
    read_drop_rows,
)
from streamflow.steps.serving.score import score
from streamflow.steps.stages.transitions import version_in_stage
from streamflow.steps.training.train import train
from streamflow.steps.versions.recorded_version import find_recorded_version
from streamflow.steps.versions.registered_version import load_answering

CHEAP = {"trees": 20}


@pytest.fixture(scope="module")
def drops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drops")
    simulate(folder, users=1_500, months=2, seed=3, notify=lambda _: None)
    return folder


@pytest.fixture(scope="module")
def loaded(
    cluster: Cluster, drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """January alone is frozen and live.

    Version 1 is in Production; version 2 differs from it only by the seed.
    """
    name = f"sf_gate_{uuid4().hex[:12]}"
    cluster.clone(name)
    with open_platform(
        cluster.settings(name, tmp_path_factory.mktemp("gate") / "home", **CHEAP)
    ) as platform:
        run(platform, drops / "month_000", JANUARY)
        train(platform, JANUARY)
        train(other(platform, seed=7), JANUARY)
        yield platform
    cluster.drop(name)


def other(platform: Platform, **values: object) -> Platform:
    return replace(platform, settings=platform.settings.model_copy(update=values))


def gates(receipt: PromoteReceipt) -> dict[str, GateCondition]:
    assert receipt.examination is not None
    return {gate.name: gate for gate in receipt.examination.gates}


def dry(platform: Platform, version: int) -> dict[str, GateCondition]:
    return gates(promote(platform, version, dry_run=True))


def test_the_first_one_has_nobody_to_be_better_than_and_passes_the_rest(loaded: Platform) -> None:
    with pytest.raises(VersionMissing, match="has no version 9"):
        promote(loaded, 9)
    before = database_digest(loaded.connection)
    tried = promote(loaded, 1, dry_run=True)
    assert (tried.decision, version_in_stage(loaded)) == ("would be promoted", None)
    assert database_digest(loaded.connection) == before
    receipt = promote(loaded, 1, why="the first")
    assert (receipt.decision, receipt.forced) == ("promoted", False)
    assert [name for name, gate in gates(receipt).items() if gate.passed] == list(gates(tried))
    again = promote(loaded, 1)
    assert (again.decision, again.examination) == ("no change", None)


def test_another_seed_is_not_better_and_stays_out(loaded: Platform) -> None:
    receipt = promote(loaded)
    assert (receipt.version, receipt.decision) == (2, "refused")
    assert not gates(receipt)["comparison"].passed
    assert [v.version for v in loaded.models.versions() if v.stage == "Production"] == [1]
    assert receipt.examination is not None
    assert [c.metric for c in receipt.examination.compared] == [
        "auc",
        "average_precision",
        "brier",
        "value",
    ]
    by_point = promote(
        other(loaded, gate_policy="point-estimate", gate_margin=-1.0), 2, dry_run=True
    )
    assert gates(by_point)["comparison"].passed
    assert json.loads(receipt.examination.evidence)["passed"] is False


def test_the_command_line_says_no_with_exit_code_1(loaded: Platform) -> None:
    url = loaded.settings.database_url
    assert url is not None
    environment = {
        "STREAMFLOW_HOME": str(loaded.home),
        "STREAMFLOW_DATABASE_URL": url.get_secret_value(),
        "STREAMFLOW_MLFLOW_DATABASE": loaded.settings.mlflow_database,
    }
    runner = CliRunner()
    refused = runner.invoke(app, ["-q", "promote", "2", "--dry-run"], env=environment)
    assert (refused.exit_code, "FAILED comparison" in refused.stdout) == (1, True)
    assert (
        "[REFUSED] streamflow_churn version 2 would not be promoted; nothing was changed"
        in refused.stdout
    )
    found = json.loads(
        runner.invoke(app, ["-q", "promote", "2", "--dry-run", "--json"], env=environment).stdout
    )
    assert found["examination"]["rows"]["trained_on"].keys() == {"1", "2"}
    assert runner.invoke(app, ["promote", "2", "--force"], env=environment).exit_code == 2


def test_04_the_champion_is_not_judged_on_what_it_has_seen(loaded: Platform) -> None:
    """Trap 4: the champion is nearly perfect on its own training users; the gate uses others."""
    receipt = promote(loaded, 2, dry_run=True)
    assert receipt.examination is not None
    found = next(c for c in receipt.examination.compared if c.metric == "auc")
    rows = read_drop_rows(
        loaded, find_recorded_version(loaded, "1"), find_newest_labelled_drop(loaded, 0)
    )
    probability = load_answering(loaded, loaded.models.version(1)).predictor.probability(
        rows.matrix
    )
    unseen = is_holdout(rows.frame["user_id"], salt="streamflow", share=0.25)
    assert found.champion == auc(rows.labels[unseen], probability[unseen])
    assert auc(rows.labels[~unseen], probability[~unseen]) > found.champion + 0.1


def test_the_rows_are_unseen_by_both_whatever_their_salts(loaded: Platform) -> None:
    salted = train(other(loaded, split_salt="another"), JANUARY)
    receipt = promote(loaded, salted.version, dry_run=True)
    found = receipt.examination
    assert isinstance(found, Examination)
    keys = loaded.connection.execute("SELECT user_id FROM frozen.users").fetchall()
    everybody = pl.Series([key for (key,) in keys])
    both = is_holdout(everybody, salt="streamflow", share=0.25) & is_holdout(
        everybody, salt="another", share=0.25
    )
    assert found.rows["rows"] == int(both.sum())
    assert {p["split_salt"] for p in found.rows["trained_on"].values()} == {"streamflow", "another"}
    few = promote(other(loaded, gate_min_rows=500), salted.version, dry_run=True)
    assert (
        f"champion not evaluable here: {int(both.sum())} rows are unseen by both, needed are 500"
        in gates(few)["comparison"].evidence
    )


def test_a_first_version_that_is_worth_nothing_is_refused_and_that_it_flags_nobody_is_said(
    loaded: Platform,
) -> None:
    """One tree without calibration is worse than the base rate, and no offer pays."""
    worthless = other(loaded, trees=1, calibration="none", kept_value=0.01, threshold="value")
    trained = train(worthless, JANUARY)
    assert (trained.threshold, trained.metrics.predicted_positives) == (None, 0)
    assert any("nobody is flagged" in remark for remark in trained.remarks)
    examination = examine(loaded, loaded.models.version(trained.version), None)
    gates = {gate.name: gate for gate in examination.gates}
    assert not gates["base rate"].passed
    assert "is not below" in gates["base rate"].evidence
    assert "no better than predicting" in gates["base rate"].evidence
    assert any("a lower offer_cost would change it" in remark for remark in examination.remarks)
    scored = score(loaded, JANUARY, version=trained.version)
    assert (scored.run.threshold, scored.run.flagged) == (None, 0)
    assert "threshold=none" in score_receipts.score(scored)
    assert any("nobody is flagged" in remark for remark in scored.remarks)


def test_a_month_later_its_own_users_are_no_unseen_rows(loaded: Platform, drops: Path) -> None:
    load(loaded, drops / "month_001", FEBRUARY)
    when = find_newest_labelled_drop(loaded, 0)
    assert when.as_of == FEBRUARY
    found = predict_unseen(
        loaded,
        find_recorded_version(loaded, "1"),
        when,
        load_answering(loaded, loaded.models.version(1)).predictor,
    )
    january = pl.read_csv(drops / "month_000/users.csv")["user_id"]
    trained_on = set(january.filter(pl.Series(~is_holdout(january, salt="streamflow", share=0.25))))
    february = set(pl.read_csv(drops / "month_001/users.csv")["user_id"])
    assert set(found.keys) == february - trained_on
    assert set(found.keys) - set(january)  # who joined in February was seen by nobody


def test_an_erased_user_hides_nobody_else(loaded: Platform, drops: Path) -> None:
    key = pl.read_csv(drops / "month_000/users.csv")["user_id"][1]
    forget(loaded, key, why="asked for")
    receipt = promote(loaded, 2, dry_run=True)
    assert receipt.examination is not None
    assert [proof["erased"] for proof in receipt.examination.rows["trained_on"].values()] == [1, 1]
    assert receipt.examination.compared


def test_another_feature_set_is_compared_too(loaded: Platform, drops: Path) -> None:
    text = DEFAULT_PATH.read_text(encoding="utf-8").replace(
        'contract_type       = { type = "string",',
        'contract_type       = { type = "string", categorical = true, view = "subs_profile_fv",',
    )
    wider = replace(loaded, catalog=parse_catalog(text, origin="wider"))
    with open_platform(loaded.settings, must_be_migrated=False) as opened:
        wide = replace(opened, catalog=wider.catalog)
        migrate(wide, change_catalog=True)
        load(wide, drops / "month_001", FEBRUARY)  # the column is frozen from now on
        version = train(wide, FEBRUARY).version
    found = dry(loaded, version)
    assert "the live views have all 15 features of" in found["schema"].evidence
    assert "against the champion's" in found["comparison"].evidence


@pytest.mark.parametrize("name", ["probe_requests.json", "decision.json", "model.skops"])
def test_a_changed_file_is_named_and_not_promoted(loaded: Platform, name: str) -> None:
    client, version = (
        MlflowClient(loaded.tracking_uri, registry_uri=loaded.tracking_uri),
        loaded.models.version(2),
    )
    if name == "model.skops":
        where = client.get_model_version_download_uri("streamflow_churn", "2")
    else:
        where = client.get_run(version.run_id).info.artifact_uri
    path = Path(where.removeprefix("file://")) / name
    before = path.read_bytes()
    path.write_bytes(before.replace(b"0.", b"1.", 1) if name != "model.skops" else before + b" ")
    try:
        if name == "probe_requests.json":
            assert not dry(loaded, 2)["probes"].passed
        else:
            with pytest.raises(ArtifactUntrusted, match="registered was"):
                promote(loaded, 2, force=True, why="a test")
        assert [v.version for v in loaded.models.versions() if v.stage == "Production"] == [1]
    finally:
        path.write_bytes(before)


def test_a_live_view_that_lost_a_column_does_not_fit(loaded: Platform) -> None:
    loaded.connection.execute("ALTER TABLE online.usage_agg_30d_fv RENAME COLUMN skips_7d TO gone")
    try:
        assert (
            "usage_agg_30d_fv:skips_7d is bigint in the model and missing from the live view"
            in dry(loaded, 2)["schema"].evidence
        )
    finally:
        loaded.connection.execute(
            "ALTER TABLE online.usage_agg_30d_fv RENAME COLUMN gone TO skips_7d"
        )


def test_a_champion_whose_keys_cannot_be_proven_is_not_evaluable(
    loaded: Platform, drops: Path, tmp_path: Path
) -> None:
    """A user slipped into January by the database's owner: it could have been trained on."""
    with loaded.maintenance_connection() as connection:
        connection.execute(
            "INSERT INTO frozen.users SELECT as_of, revision, '0000-AAAAA',"
            " signup_date, user_gender, user_is_senior, has_family,"
            " has_dependents, row_digest FROM frozen.users WHERE user_id"
            " = '7590-VHVEG' AND as_of = '2024-01-31 00:00Z';"
        )
        connection.execute(
            "INSERT INTO frozen.labels SELECT as_of, revision, '0000-AAAAA',"
            " churn_label, row_digest FROM frozen.labels"
            " WHERE user_id = '7590-VHVEG' AND as_of = '2024-01-31 00:00Z'"
        )
    found = dry(loaded, 2)["comparison"]
    assert not found.passed
    assert "not evaluable here: the keys that version" in found.evidence
    forced = promote(loaded, 2, force=True, why="known to be fine")
    assert (forced.decision, forced.forced, forced.replaced) == ("promoted", True, 1)


def test_without_labels_nothing_can_be_judged(
    platform: Platform, drops: Path, tmp_path: Path
) -> None:
    load(platform, drops / "month_000", JANUARY)
    load(platform, copy_drop(drops / "month_001", tmp_path / "unlabelled", labels=None), FEBRUARY)
    trained = train(other(platform, **CHEAP), JANUARY)
    assert find_newest_labelled_drop(platform, 0).as_of == JANUARY
    with platform.maintenance_connection() as connection:
        connection.execute("DELETE FROM frozen.labels")
    found = dry(platform, trained.version)["comparison"]
    assert (found.passed, found.evidence.split(":")[0]) == (False, "challenger not evaluable here")
