"""monitor finds what is planted in a drop, and nothing more.

Each report is kept once, and its page needs no second file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from uuid import uuid4

import mlflow
import polars as pl
import psycopg
import pytest
from conftest import Cluster
from pydantic import SecretStr
from support.chain import FEBRUARY, JANUARY, MARCH, copy_drop, load
from support.months import FEATURES, holdout_of
from typer.testing import CliRunner

from streamflow.cli.app import app
from streamflow.core.monitoring.report import from_values, to_values
from streamflow.errors import SnapshotDamaged, SnapshotMissing, VersionMissing
from streamflow.models.monitor_runs import REPORT_TAG
from streamflow.models.run_tags import MODEL_TAG
from streamflow.platform import Platform, open_platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.simulate import simulate
from streamflow.steps.monitoring.monitor import MonitorReceipt, monitor
from streamflow.steps.promotion.promote import promote
from streamflow.steps.training.train import train
from streamflow.steps.upkeep.prune import prune
from streamflow.steps.versions.registered_version import load_answering
from streamflow.warehouse.prediction_log import LoggedPrediction, log_predictions
from streamflow.warehouse.webhooks import list_deliveries

USERS = 600


@dataclass(frozen=True)
class Watched:
    """January with version 1 in Production, and a drop of different users for February.

    Nothing else differs between the two drops.
    """

    platform: Platform
    base: Path
    folder: Path

    @cached_property
    def clean(self) -> MonitorReceipt:
        """The report on that drop as it is."""
        return self.february()

    def february(self, **changes: dict[str, pl.Expr] | None) -> MonitorReceipt:
        """Deliver February with columns replaced, and monitor it."""
        load(self.platform, copy_drop(self.base, self.folder / uuid4().hex, **changes), FEBRUARY)
        return monitor(self.platform, FEBRUARY)


@contextmanager
def installed(cluster: Cluster, folder: Path, users: int) -> Iterator[Watched]:
    """Both populations are of one mechanism: no user of the one is in the other but 7590-VHVEG."""
    name = f"sf_monitor_{uuid4().hex[:12]}"
    cluster.clone(name)
    for month, seed in (("january", 1), ("february", 2)):
        simulate(folder / month, users=users, months=1, seed=seed, notify=lambda _: None)
    with open_platform(cluster.settings(name, folder / "home", trees=20)) as platform:
        load(platform, folder / "january/month_000", JANUARY)
        train(platform, JANUARY)
        promote(platform, 1)
        yield Watched(platform, folder / "february/month_000", folder)
    cluster.drop(name)


@pytest.fixture(scope="module")
def watched(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The tests deliver February anew, each for itself."""
    with installed(cluster, tmp_path_factory.mktemp("monitor"), users=USERS) as made:
        yield made


FEATURE_TABLES = ("subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d")


def churned() -> pl.Expr:
    return pl.col("churn_label") == "True"


def as_text(value: pl.Expr) -> pl.Expr:
    return pl.when(value).then(pl.lit("True")).otherwise(pl.lit("False"))


def reports(platform: Platform) -> int:
    row = platform.connection.execute("SELECT count(*) FROM streamflow.monitor_report").fetchone()
    assert row is not None
    return int(row[0])


def test_a_month_in_which_nothing_happened_is_silent_and_is_reported_once(watched: Watched) -> None:
    platform = watched.platform
    first = watched.clean
    assert (first.verdict, first.fires, first.reasons, first.already) == ("ok", False, (), False)
    assert first.report.concept is not None
    assert first.report.labels is not None
    page, stored = first.out.read_bytes(), reports(platform)
    again = monitor(platform, FEBRUARY, out=watched.folder / "again.html")
    assert (again.id, again.already, again.report) == (first.id, True, first.report)
    assert (watched.folder / "again.html").read_bytes() == page
    assert reports(platform) == stored
    with (
        psycopg.connect(platform.login.conninfo()) as owner,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="are frozen"),
    ):
        owner.execute("UPDATE streamflow.monitor_report SET fires = true")


SHIFTED = {
    "watch_hours_30d": (
        "usage_agg_30d",
        (pl.col("watch_hours_30d").cast(pl.Float64) + 5).cast(pl.String),
    ),
    "paperless_billing": ("subscriptions", pl.lit("True")),
    "plan_stream_tv": (
        "subscriptions",
        pl.when(pl.int_range(pl.len()) % 5 > 0).then("plan_stream_tv"),
    ),  # else missing
}


def test_features_that_are_others_are_named_and_their_run_is_no_training(watched: Watched) -> None:
    changes: dict[str, dict[str, pl.Expr] | None] = {}
    for feature, (table, values) in SHIFTED.items():
        changes[table] = {**(changes.get(table) or {}), feature: values}
    receipt = watched.february(**changes)
    assert {f.name for f in receipt.report.drifted} == set(SHIFTED)
    assert {reason.split(": ")[0] for reason in receipt.reasons} >= set(SHIFTED)
    assert any(reason.startswith("plan_stream_tv: missing ") for reason in receipt.reasons)
    assert [f.name for f in receipt.report.features] == FEATURES, (
        "neither the key nor the label is one"
    )
    client = mlflow.MlflowClient(watched.platform.tracking_uri)
    logged = client.get_run(receipt.mlflow_run_id)
    assert (logged.info.status, logged.data.tags[REPORT_TAG]) == ("FINISHED", "streamflow_churn")
    assert MODEL_TAG not in logged.data.tags
    assert {name: logged.data.metrics[f"psi_{name}"] for name in FEATURES} == {
        f.name: f.psi for f in receipt.report.features
    }
    assert [artifact.path for artifact in client.list_artifacts(receipt.mlflow_run_id)] == [
        "report.html",
        "report.json",
    ]
    assert prune(watched.platform, dry_run=True).runs == ()
    assert [v.version for v in watched.platform.models.versions()] == [1]


def test_labels_that_are_rarer_are_found(watched: Watched) -> None:
    kept = as_text(churned() & (pl.int_range(pl.len()).shuffle(seed=3) % 2 == 0))
    receipt = watched.february(labels={"churn_label": kept})
    assert receipt.verdict == "label drift"
    assert receipt.reasons[0].startswith("share of positive labels 0.2")
    assert receipt.report.drifted == ()


def test_drift_that_is_found_is_told_once_with_its_report(watched: Watched) -> None:
    receiver = {
        "webhook_url": SecretStr("http://127.0.0.1:9"),
        "webhook_secret": SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    }
    settings = watched.platform.settings.model_copy(update=receiver)
    told = replace(watched, platform=replace(watched.platform, settings=settings))
    kept = as_text(churned() & (pl.int_range(pl.len()).shuffle(seed=4) % 2 == 0))
    receipt = told.february(labels={"churn_label": kept})
    assert monitor(told.platform, FEBRUARY).already
    (delivery,) = list_deliveries(told.platform.connection)
    content = json.loads(delivery.body)
    assert (content["type"], content["data"]["verdict"]) == ("drift.found", "label drift")
    assert (content["data"]["report"], content["data"]["reasons"]) == (
        receipt.id,
        list(receipt.reasons),
    )


def test_labels_that_follow_another_rule_are_found_although_no_feature_tells(
    watched: Watched,
) -> None:
    """As many churn, and now it is those who have been here longest."""
    loyal = pl.read_csv(watched.base / "subscriptions.csv")["months_active"].rank(
        "ordinal", descending=True
    )
    churners = pl.read_csv(watched.base / "labels.csv")["churn_label"].sum()
    receipt = watched.february(labels={"churn_label": as_text(pl.lit(loyal <= churners))})
    assert receipt.verdict == "concept drift"
    assert receipt.reasons[0].startswith("AUC on hold-out users 0.")
    assert receipt.report.drifted == ()


def test_the_version_is_asked_about_users_alone_that_it_was_never_trained_on(
    watched: Watched,
) -> None:
    clean = watched.clean
    keys = pl.read_csv(watched.base / "labels.csv", infer_schema=False)["user_id"]
    turned = as_text(churned() != pl.Series(~holdout_of(keys)))
    spoilt = watched.february(labels={"churn_label": turned})
    assert spoilt.report.now == clean.report.now
    assert spoilt.report.concept == clean.report.concept
    assert spoilt.report.labels != clean.report.labels


def test_labels_that_are_not_there_yet_are_said_and_the_rest_is_reported(
    watched: Watched, tmp_path: Path
) -> None:
    march = MARCH
    load(
        watched.platform,
        copy_drop(
            watched.base,
            tmp_path / "march",
            labels=None,
            usage_agg_30d={"skips_7d": pl.col("skips_7d").shuffle(seed=1)},
        ),
        march,
    )
    receipt = monitor(watched.platform, march)
    assert receipt.report.notes == (
        "the labels of 2024-03-31 do not exist yet: the drop of 2024-03-31 has no labels.csv",
    )
    assert (receipt.report.labels, receipt.report.now, receipt.report.concept) == (None, None, None)
    assert (receipt.verdict, len(receipt.report.features)) == ("ok", 14)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/labels.csv").write_bytes((watched.base / "labels.csv").read_bytes())
    load(watched.platform, tmp_path / "labels", march)
    later = monitor(watched.platform, march)
    assert later.id > receipt.id
    assert (later.report.notes, later.report.label_as_of) == ((), march.date())


def test_the_answers_that_were_given_are_held_against_the_labels(watched: Watched) -> None:
    platform = watched.platform
    assert watched.clean.report.answers is None
    watched.february()
    rows = pl.concat(
        [pl.read_csv(watched.base / f"{table}.csv") for table in FEATURE_TABLES], how="align"
    )
    probability = load_answering(platform, platform.models.version(1)).predictor.probability(rows)
    answered = list(zip(rows["user_id"].to_list(), probability.tolist(), strict=True))
    for version, answers in ((1, [(answered[0][0], 0.99), *answered]), (2, answered[:3])):
        log_predictions(platform.connection, [logged(key, p, version) for key, p in answers])
    receipt = monitor(platform, FEBRUARY)
    found, now = receipt.report.answers, receipt.report.now
    assert found is not None
    assert now is not None
    assert (found.given, found.keys, found.labelled, found.others) == (USERS + 1, USERS, USERS, 3)
    assert found.unseen == now.metrics
    assert found.all is not None
    assert found.all.holdout_rows == USERS
    assert receipt.report.notes == ("answers of different versions on this drop, not compared: 3",)


def logged(key: str, probability: float, version: int) -> LoggedPrediction:
    return LoggedPrediction(
        request_id="r",
        key=key,
        as_of=FEBRUARY,
        model="streamflow_churn",
        version=version,
        run_id="r",
        probability=probability,
        prediction=int(probability >= 0.5),
        threshold=0.5,
        features={},
        service="s",
        views={},
        code="c",
    )


class Links(HTMLParser):
    """What a page would fetch or lead to, and the pictures in it."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.pictures: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "iframe", "object", "embed"):
            self.outside.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action", "poster") and not (
                value or ""
            ).startswith("data:image/png;base64,"):
                self.outside.append(f"{tag} {name}={value}")
        if tag in ("img", "svg"):
            self.pictures.append(dict(attrs)["alt" if tag == "img" else "aria-label"] or "")


def test_the_page_needs_nothing_beside_it_and_shows_each_feature(watched: Watched) -> None:
    page = monitor(watched.platform, FEBRUARY).out.read_text(encoding="utf-8")
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert "url(" not in page
    links = Links()
    links.feed(page)
    assert links.outside == []
    assert {f"{name}, then and now" for name in FEATURES} <= set(links.pictures)
    assert {"ROC on hold-out users", "Calibration on hold-out users", "PSI of each feature"} <= set(
        links.pictures
    )


def with_old_names(metrics: dict[str, object]) -> dict[str, object]:
    """The metrics as they were stored before they got their names of today."""
    old_names = {
        "holdout_rows": "rows",
        "true_positives": "found",
        "predicted_positives": "flagged",
    }
    return {
        old_names.get(name, name): value
        for name, value in metrics.items()
        if name not in ("precision", "recall")
    }


def test_a_report_that_was_stored_under_the_old_names_of_metrics_is_read(watched: Watched) -> None:
    receipt = watched.clean
    values = json.loads(json.dumps(to_values(receipt.report)))
    for name in ("then", "now"):
        values[name]["metrics"] = with_old_names(values[name]["metrics"])
        assert "flagged" in values[name]["metrics"]
    some_answers = {**values["now"]["metrics"]}
    answers = {
        "given": 1,
        "keys": 1,
        "labelled": 1,
        "unseen_labelled": 1,
        "all": some_answers,
        "unseen": None,
        "others": 0,
    }
    report = from_values({**values, "answers": answers})
    assert (report.then, report.now) == (receipt.report.then, receipt.report.now)
    assert report.answers is not None
    assert report.now is not None
    assert report.answers.all == report.now.metrics


def test_a_report_is_the_same_after_it_was_stored(watched: Watched) -> None:
    receipt = monitor(watched.platform, FEBRUARY)
    assert (
        from_values(json.loads(json.dumps(to_values(receipt.report), allow_nan=False)))
        == receipt.report
    )


def test_the_dashboards_read_numbers_and_no_value(watched: Watched) -> None:
    receipt = monitor(watched.platform, FEBRUARY)
    with psycopg.connect(watched.platform.login.conninfo()) as reader:
        reader.execute("SET ROLE streamflow_reader")
        found = reader.execute(
            "SELECT feature, psi, drifted FROM streamflow.drift_overview WHERE id = %s",
            [receipt.id],
        ).fetchall()
        assert found == [(f.name, f.psi, f.drifted) for f in receipt.report.features]
        then, now = receipt.report.then, receipt.report.now
        assert then
        assert now
        found = reader.execute(
            "SELECT auc_at_training, auc FROM streamflow.monitor_report WHERE id = %s", [receipt.id]
        ).fetchall()
        assert found == [(then.metrics.auc, now.metrics.auc)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("SELECT report FROM streamflow.monitor_report")


def test_a_report_that_cannot_be_stored_is_a_failed_run(watched: Watched) -> None:
    load(
        watched.platform,
        copy_drop(
            watched.base, watched.folder / "refused", usage_agg_30d={"skips_7d": pl.lit("3")}
        ),
        FEBRUARY,
    )
    before = reports(watched.platform)
    with psycopg.connect(watched.platform.login.conninfo(), autocommit=True) as owner:
        owner.execute("REVOKE INSERT ON streamflow.monitor_report FROM streamflow_writer")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            monitor(watched.platform, FEBRUARY)
        owner.execute("GRANT INSERT ON streamflow.monitor_report TO streamflow_writer")
    client = mlflow.MlflowClient(watched.platform.tracking_uri)
    failed = client.search_runs(
        [client.get_experiment_by_name("streamflow").experiment_id], "attributes.status = 'FAILED'"
    )
    assert [run.data.tags[REPORT_TAG] for run in failed] == ["streamflow_churn"]
    assert reports(watched.platform) == before
    again = monitor(watched.platform, FEBRUARY)
    assert (again.already, reports(watched.platform)) == (False, before + 1)


def test_a_drop_that_is_not_there_is_named(watched: Watched) -> None:
    with pytest.raises(
        SnapshotMissing, match="no snapshot of 2025-01-31 exists; frozen are: 2024-01-31"
    ):
        monitor(watched.platform, JANUARY.replace(year=2025))


def test_the_command_tells_its_verdict_by_its_exit_code(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process: MLFLOW_TRACKING_URI says where MLflow is."""
    watched.february(usage_agg_30d={"skips_7d": pl.lit("14")})
    home, file, url = (
        watched.platform.home,
        watched.folder / "page.html",
        watched.platform.settings.database_url,
    )
    assert url is not None
    monkeypatch.setenv("STREAMFLOW_DATABASE_URL", url.get_secret_value())
    fine = CliRunner().invoke(app, ["--home", str(home), "monitor", "--as-of", "2024-01-31"])
    assert fine.exit_code == 0, fine.output
    assert fine.stdout.splitlines()[-1] == "[OK] ok: 0 of 14 features drifted (PSI from 0.1 on)"
    assert "… drawing the page" in fine.stderr
    arguments = ["monitor", "--as-of", "2024-02-29", "--out", str(file)]
    fires = CliRunner().invoke(app, ["--home", str(home), *arguments, "--json"])
    assert fires.exit_code == 1, fires.output
    told = json.loads(fires.stdout)
    assert (told["verdict"], told["fires"], told["already"], told["out"]) == (
        "feature drift",
        True,
        True,
        str(file),
    )
    assert told["reasons"][0].startswith("skips_7d: PSI ")
    assert file.is_file()
    # A stored report is shown with the same details.
    lines = fine.stdout.splitlines()
    [place] = [line for line in lines if line.startswith("  report ")]
    shown = CliRunner().invoke(app, ["--home", str(home), "reports", place.split()[1].strip(",")])
    stored = [line for line in shown.stdout.splitlines() if not line.startswith("  report ")]
    assert stored == [line for line in lines if line != place]
    drifted = CliRunner().invoke(app, ["--home", str(home), "reports", str(told["id"])])
    assert drifted.stdout.splitlines()[-1].startswith("[NO] feature drift: 1 of 14 features")
    assert f"  fires    {told['reasons'][0]}" in drifted.stdout.splitlines()


def test_erased_users_are_missing_and_said_and_anything_else_is_an_error(watched: Watched) -> None:
    """The last of those that share the installation."""
    key = pl.read_csv(watched.folder / "january/month_000/users.csv", infer_schema=False)[
        "user_id"
    ][7]
    forget(watched.platform, key, why="asked")
    found = monitor(watched.platform, FEBRUARY)
    assert (
        "users erased on request, who are missing from the training rows: 1" in found.report.notes
    )
    assert found.report.reference_rows == USERS - 1
    with watched.platform.maintenance_connection() as connection:
        connection.execute(
            "UPDATE frozen.subscriptions SET monthly_fee = monthly_fee + 1"
            " WHERE as_of = '2024-01-31 00:00Z'"
        )
    other_evidence = watched.platform.settings.model_copy(update={"drift_psi": 0.2})
    damage = "subscriptions of 2024-01-31, revision 1: its rows have the digest"
    with pytest.raises(SnapshotDamaged, match=damage):
        monitor(replace(watched.platform, settings=other_evidence), FEBRUARY)


def test_labels_come_by_the_lead_of_the_version_and_without_one_in_production_nothing_is_said(
    open_with: Callable[..., Platform], simulated_drops: Path
) -> None:
    platform = open_with(trees=5)
    load(platform, simulated_drops / "month_000", JANUARY)
    load(platform, simulated_drops / "month_001", FEBRUARY)  # in which January's churners are gone
    with pytest.raises(VersionMissing, match="no version of streamflow_churn is in Production"):
        monitor(platform, JANUARY)
    promote(platform, train(platform, JANUARY, label_lead=1).version)
    february = monitor(platform, FEBRUARY)
    assert february.report.notes == (
        "the labels of 2024-02-29 do not exist yet: they come with the drop number 1 after it",
    )
    january = monitor(platform, JANUARY)
    assert january.report.label_as_of == FEBRUARY.date()
    assert january.report.concept is not None
    assert january.report.concept.difference == 0.0
    assert january.report.notes[1:] == ("this is the drop that the version was trained on",)
    assert january.report.notes[0].endswith(" of 400 users have no label in the drop of 2024-02-29")
    assert (january.report.rows, january.report.reference_rows, january.verdict) == (400, 400, "ok")
    assert {f.psi for f in january.report.features} == {0.0}, (
        "users whom the label does not know are held against themselves"
    )
