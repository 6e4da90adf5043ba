"""Adding a feature is one line in the catalog and `migrate`: from there to a prediction with it, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

from support.processes import run


def test_one_line_and_migrate_lead_to_a_prediction(two_feature_sets: Path, wider: Path) -> None:
    def call(*arguments: str) -> str:
        done = run(two_feature_sets, "--catalog", str(wider), *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    call("promote", "2")
    features = json.loads(call("predict", "7590-VHVEG", "--json"))["features"]
    assert (len(features), features["contract_type"]) == (15, "Month-to-month")
    call("promote", "1")  # the version of the former feature set answers as before
    assert len(json.loads(call("predict", "7590-VHVEG", "--json"))["features"]) == 14


def test_a_catalog_that_the_database_does_not_know_is_refused_with_the_next_step(two_feature_sets: Path) -> None:
    done = run(two_feature_sets, "models")
    assert done.returncode == 13
    assert "the catalog has changed since the last 'streamflow migrate'" in done.stderr
    assert "Run 'streamflow migrate'." in done.stderr
