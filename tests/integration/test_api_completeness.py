"""The real API tells absent, too old, unknown and null values apart.

It follows the policies of a catalog; and what the missing values cost a version.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl
import pytest
from conftest import Cluster
from support.api import asked, served
from support.chain import JANUARY, in_production, run

from streamflow.catalog import DEFAULT_PATH
from streamflow.cli import receipts as cli_text
from streamflow.core.training import default_costs
from streamflow.core.training.split import is_holdout
from streamflow.platform import Platform, open_platform
from streamflow.steps.serving.predict import predict
from streamflow.steps.serving.serving_version import load_serving
from streamflow.steps.training.training_set import training_set
from streamflow.steps.versions.rebuild_verdict import IDENTICAL
from streamflow.steps.versions.recorded_version import find_recorded_version
from streamflow.steps.versions.reproduce import reproduce

KEY = "7590-VHVEG"
USAGE = [
    "watch_hours_30d",
    "avg_session_mins_7d",
    "unique_devices_30d",
    "skips_7d",
    "rebuffer_events_7d",
]
DEFAULTS = {
    "watch_hours_30d": 0.0,
    "avg_session_mins_7d": 30.5,
    "unique_devices_30d": 1,
    "skips_7d": 3,
    "rebuffer_events_7d": 0,
}
SUPPORT = ["support_tickets_90d", "ticket_avg_resolution_hrs_90d"]


def catalog_text(defaults: dict[str, float]) -> str:
    """Ours; usage and support may be 30 days old, and each feature of usage has a default."""
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    for table in ("usage_agg_30d", "support_agg_90d"):
        text = text.replace(f'table = "{table}"', f'table = "{table}"\nmax_age_days = 30')
    lines = text.splitlines()
    for name, value in defaults.items():
        [place] = [i for i, line in enumerate(lines) if line.startswith(f"{name} ")]
        lines[place] = lines[place].replace(" }", f", default = {value} }}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def installed(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Migrated with our own catalog: policies ask nothing of a database."""
    folder, name = tmp_path_factory.mktemp("completeness"), f"sf_test_{uuid4().hex[:12]}"
    (folder / "catalog.toml").write_text(catalog_text(DEFAULTS), encoding="utf-8")
    cluster.clone(name)
    settings = cluster.settings(name, folder / "home", catalog=folder / "catalog.toml", trees=20)
    with open_platform(settings) as platform:
        run(platform, simulated_drops / "month_000", JANUARY)
        in_production(platform, JANUARY)
        yield platform
    cluster.drop(name)


@pytest.fixture(scope="module")
def api(installed: Platform) -> Iterator[str]:
    with served(installed, until="/model") as base:  # /ready says that all is too old
        yield base


@pytest.fixture
def fresh(installed: Platform) -> Iterator[Platform]:
    """Usage and support were true an hour ago; every live row is as before in the end."""
    views = tuple(installed.catalog.views)
    for view in views:
        installed.connection.execute(f"CREATE TEMPORARY TABLE kept_{view} AS TABLE online.{view}")
    for view in ("usage_agg_30d_fv", "support_agg_90d_fv"):
        installed.connection.execute(f"UPDATE online.{view} SET as_of = now() - interval '1 hour'")
    yield installed
    for view in views:
        installed.connection.execute(
            f"DELETE FROM online.{view}; INSERT INTO online.{view} TABLE kept_{view};"
            f" DROP TABLE kept_{view}"
        )


def predicted(api: str, key: str = KEY) -> dict[str, Any]:
    answer = asked(f"{api}/predict", {"user_id": key})
    assert answer.status == 200, answer
    return answer.body


def age_of(as_of: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(as_of)).total_seconds() / 86_400


def test_rows_that_are_too_old_are_refused_where_no_default_is_declared(api: str) -> None:
    refused = asked(f"{api}/predict", {"user_id": KEY})
    assert (refused.status, refused.body["code"], refused.body["stale_features"]) == (
        503,
        "features_stale",
        SUPPORT,
    )
    assert "missing_features" not in refused.body
    assert "support_agg_90d_fv allows 30 days" in refused.body["error"]
    assert "materialize" in refused.body["remedy"]
    shown = asked(f"{api}/features/{KEY}")
    assert (
        shown.status,
        shown.body["features"]["monthly_fee"],
        shown.body["features"]["support_tickets_90d"],
    ) == (200, 29.85, 0)
    assert (shown.body["absent"], shown.body["expired"]) == ([], [*USAGE, *SUPPORT])
    view = shown.body["views"]["support_agg_90d_fv"]
    assert (view["as_of"], view["max_age_days"]) == ("2024-01-31T00:00:00+00:00", 30)
    assert view["age_days"] == pytest.approx(age_of(view["as_of"]), abs=0.01)
    assert shown.body["views"]["subs_profile_fv"]["max_age_days"] is None


def test_a_row_that_is_whole_is_served_with_its_age(api: str, fresh: Platform) -> None:
    found = predicted(api)
    assert (found["defaulted"], found["as_of"]) == ([], "2024-01-31T00:00:00+00:00")
    assert found["age_days"] == pytest.approx(age_of(found["as_of"]), abs=0.01)
    assert found["features_used"] == asked(f"{api}/features/{KEY}").body["features"]


@pytest.mark.parametrize("how", ["absent", "expired"])
def test_a_default_stands_in_and_is_said_and_logged(api: str, fresh: Platform, how: str) -> None:
    whole = predicted(api)
    change = (
        "DELETE FROM {}" if how == "absent" else "UPDATE {} SET as_of = now() - interval '31 days'"
    )
    fresh.connection.execute(
        f"{change.format('online.usage_agg_30d_fv')} WHERE user_id = %s", [KEY]
    )
    found = predicted(api)
    assert found["defaulted"] == USAGE
    assert found["features_used"] == whole["features_used"] | DEFAULTS
    values = [found["features_used"][f.name] for f in fresh.catalog.features]
    assert found["probability"] == load_serving(fresh).predictor.probability_one(values)
    logged = fresh.connection.execute(
        "SELECT features, probability FROM streamflow.prediction_log"
        " WHERE key = %s ORDER BY at DESC LIMIT 1",
        [KEY],
    ).fetchone()
    assert logged == (found["features_used"], found["probability"])
    said = cli_text.predict(predict(fresh, KEY, now=datetime.now(UTC)))
    assert said.endswith(f" defaulted={','.join(USAGE)}")
    shown = asked(f"{api}/features/{KEY}").body
    assert (shown["absent"], shown["expired"]) == ((USAGE, []) if how == "absent" else ([], USAGE))


def test_what_is_absent_is_refused_with_all_that_is_too_old_and_a_key_of_no_view_is_unknown(
    api: str, fresh: Platform
) -> None:
    fresh.connection.execute("DELETE FROM online.payments_agg_90d_fv WHERE user_id = %s", [KEY])
    refused = asked(f"{api}/predict", {"user_id": KEY})
    assert (refused.status, refused.body["code"]) == (422, "features_missing")
    assert refused.body["missing_features"] == ["failed_payments_90d"]
    assert "stale_features" not in refused.body
    fresh.connection.execute(
        "UPDATE online.support_agg_90d_fv"
        " SET as_of = now() - interval '31 days' WHERE user_id = %s",
        [KEY],
    )
    both = asked(f"{api}/predict", {"user_id": KEY})
    assert (both.status, both.body["missing_features"], both.body["stale_features"]) == (
        422,
        ["failed_payments_90d"],
        SUPPORT,
    )
    shown = asked(f"{api}/features/{KEY}").body
    assert (shown["absent"], shown["features"]["failed_payments_90d"]) == (
        ["failed_payments_90d"],
        None,
    )
    assert shown["views"]["payments_agg_90d_fv"] == {
        "as_of": None,
        "age_days": None,
        "max_age_days": None,
    }
    for answer in (asked(f"{api}/features/NOBODY"), asked(f"{api}/predict", {"user_id": "NOBODY"})):
        assert (answer.status, answer.body["code"]) == (404, "entity_unknown")
        assert answer.body["missing_features"] == [f.name for f in fresh.catalog.features]


def test_a_declared_null_is_a_value(api: str, fresh: Platform, simulated_drops: Path) -> None:
    services = pl.read_csv(simulated_drops / "month_000/subscriptions.csv", infer_schema=False)
    without_net = services.filter(pl.col("net_service") == "No")["user_id"][0]
    found = predicted(api, without_net)
    assert (found["features_used"]["plan_stream_tv"], found["defaulted"]) == (None, [])
    assert asked(f"{api}/features/{without_net}").body["absent"] == []


def test_what_a_default_costs_is_stored_shown_and_made_again(
    api: str, installed: Platform, cluster: Cluster, tmp_path: Path
) -> None:
    record = find_recorded_version(installed, "1")
    text = installed.models.read_run_file(record.version.run_id, default_costs.FILE)
    assert sha256(text).hexdigest() == record.passport.result["default_costs"]
    stored = {cost["of"]: cost for cost in json.loads(text)}
    assert list(stored) == [*USAGE, "all of usage_agg_30d_fv"]
    assert stored["all of usage_agg_30d_fv"]["features"] == DEFAULTS

    rows = training_set(installed, JANUARY)
    held = pl.Series(
        is_holdout(
            rows.frame["user_id"],
            salt=installed.settings.split_salt,
            share=installed.settings.holdout_share,
        )
    )
    predictor, frame = load_serving(installed).predictor, rows.matrix.filter(held)
    blanked = frame.with_columns(**{name: pl.lit(value) for name, value in DEFAULTS.items()})
    before, after = predictor.probability(frame), predictor.probability(blanked)
    flips = np.mean((before >= predictor.threshold) != (after >= predictor.threshold))
    assert stored["all of usage_agg_30d_fv"]["flips"] == flips > 0
    positive, negative = (
        after[rows.labels[held] == 1][:, None],
        after[rows.labels[held] == 0][None, :],
    )
    assert stored["all of usage_agg_30d_fv"]["auc"] == pytest.approx(
        ((positive > negative) + (positive == negative) / 2).mean()
    )

    shown = asked(f"{api}/model").body
    assert shown["policy"] == {
        "defaults": DEFAULTS,
        "max_age_days": {"usage_agg_30d_fv": 30, "support_agg_90d_fv": 30},
    }
    assert {of: cost["flips"] for of, cost in shown["default_costs"].items()} == {
        of: cost["flips"] for of, cost in stored.items()
    }

    again = reproduce(installed, "1")
    assert (again.result, again.tampered, [level.verdict for level in again.levels[:2]]) == (
        IDENTICAL,
        (),
        ["same", "same"],
    )
    (tmp_path / "catalog.toml").write_text(
        catalog_text(DEFAULTS | {"skips_7d": 4}), encoding="utf-8"
    )
    changed = installed.settings.with_values({"catalog": tmp_path / "catalog.toml"})
    with open_platform(changed) as other:
        drifted = reproduce(other, "1")
    assert (drifted.result, drifted.levels[1].verdict) == (IDENTICAL, "drifted")
    assert [str(d) for d in drifted.levels[1].differences] == [
        "usage_agg_30d_fv:skips_7d default: 3 -> 4"
    ]
