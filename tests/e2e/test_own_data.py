"""The files of a different business, with integer keys.

From a folder of CSV files to a prediction, by the command line and by HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.api import asked, served
from support.command import called
from support.gym import write_gym

from streamflow.catalog import load_catalog
from streamflow.platform import Platform

if TYPE_CHECKING:
    from conftest import Cluster

DAY = ("--as-of", "2024-01-31")
GUESSED = [
    "age",
    "home_club",
    "heard_from",
    "plan",
    "monthly_price",
    "auto_renew",
    "visits_30d",
    "avg_minutes",
]
TABLE = "[tables.visits.columns]\n"
DERIVED = (
    'minutes_30d = { type = "float", nullable = true, view = "visits_fv",'
    ' expr = "visits_30d * avg_minutes" }\n'
)
FEATURES = [*GUESSED[:6], "minutes_30d", *GUESSED[6:]]


def test_four_commands_lead_from_csv_files_to_a_prediction(
    cluster: Cluster, installation: str, open_with: Callable[..., Platform], tmp_path: Path
) -> None:
    cluster.make_empty(installation)
    home, catalog = tmp_path / "home", tmp_path / "gym.toml"
    variables = {**cluster.variables(installation, home), "STREAMFLOW_TREES": "20"}
    month = str(write_gym(tmp_path / "gym")[0])

    def call(*arguments: str) -> Any:
        done = called(home, *arguments, "--json", extra=variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    receipt = call("init", month, "--out", str(catalog))
    assert (receipt["key"], receipt["key_type"], receipt["label"]) == (
        "member_id",
        "int",
        "cancellations.cancelled",
    )
    assert receipt["decisions"] == []
    assert [f.name for f in load_catalog(catalog).features] == GUESSED
    text = catalog.read_text(encoding="utf-8")
    assert text.count(TABLE) == 1
    catalog.write_text(text.replace(TABLE, TABLE + DERIVED), encoding="utf-8")

    variables["STREAMFLOW_CATALOG"] = str(catalog)
    call("migrate")
    assert [f["rows"] for f in call("ingest", month, *DAY)["files"]] == [
        600
    ] * 4  # these three are what `run` does
    call("snapshot", *DAY)
    live = {v["view"]: v["rows"] for v in call("materialize")["views"]}
    assert live.items() >= {"members_fv": 600, "plans_fv": 600, "visits_fv": 600}.items()
    assert call("train", *DAY)["metrics"]["auc"] > 0.65  # 0.5 would be nothing learned
    proved = call("verify", "1")["certificate"]  # keys are numbers here
    assert (proved["cells"], proved["violations"]) == (600 * (len(FEATURES) + 1), 0)
    assert call("promote", "1")["model"] == "member_cancelled"
    answer = call("predict", "17")
    assert (answer["key"], list(answer["features"])) == (17, FEATURES)
    values = answer["features"]
    assert values["minutes_30d"] == values["visits_30d"] * values["avg_minutes"]

    with served(open_with(catalog=catalog)) as base:
        read = asked(f"{base}/features/17")
        assert (read.status, read.body["member_id"], list(read.body["features"])) == (
            200,
            17,
            FEATURES,
        )
        predicted = asked(f"{base}/predict", {"member_id": 17})
        assert (predicted.status, predicted.body["member_id"]) == (200, 17)
        assert predicted.body["probability"] == answer["probability"]
        assert predicted.body["features_used"] == read.body["features"] == answer["features"]
        nobody = asked(f"{base}/predict", {"member_id": 999_999})
        assert (nobody.status, nobody.body["missing_features"]) == (404, FEATURES)
        assert asked(f"{base}/predict", {"user_id": "17"}).status == 422
