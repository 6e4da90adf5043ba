"""Serving over real HTTP.

A batch equals as many single answers, and a promotion is served without a restart.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import Cluster
from mlflow import MlflowClient
from support.api import asked, served
from support.processes import wait_for
from support.scrape import call, numbers
from support.states import THREE_VERSIONS, THRESHOLDS, in_state

from streamflow.models.mlflow_client import ignore_stage_warnings
from streamflow.platform import Platform
from streamflow.steps.promotion.promote import promote
from streamflow.steps.promotion.rollback import rollback
from streamflow.steps.stages.ledger import read_ledger

NOBODY = "nobody"


@pytest.fixture(scope="module")
def installed(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Three versions, told apart by their thresholds; the first is in Production."""
    home = tmp_path_factory.mktemp("serving") / "home"
    with in_state(cluster, THREE_VERSIONS, simulated_drops, home, api_max_ids=600) as platform:
        yield platform


@pytest.fixture(scope="module")
def api(installed: Platform) -> Iterator[str]:
    with served(installed, extra={"STREAMFLOW_API_MAX_IDS": "600"}) as base:
        yield base


@pytest.fixture(scope="module")
def keys(installed: Platform) -> list[str]:
    found = installed.connection.execute(
        "SELECT user_id FROM online.subs_profile_fv ORDER BY user_id"
    ).fetchall()
    return [key for (key,) in found]


def answers_by(base: str, version: int) -> bool:
    model = asked(f"{base}/model").body
    return model.get("version") == version and model["threshold"] == THRESHOLDS[version]


def without_age(entry: dict[str, Any]) -> dict[str, Any]:
    """The age is that of the request."""
    return {name: value for name, value in entry.items() if name not in ("age_days", "model")}


def test_a_batch_is_so_many_single_answers(api: str, installed: Platform, keys: list[str]) -> None:
    given = [keys[3], NOBODY, keys[1], keys[3], "a\u0301", *keys[10:40]]
    answer = asked(f"{api}/predict/batch", {"user_ids": given})
    assert answer.status == 200
    entries = answer.body["predictions"]
    assert [entry["user_id"] for entry in entries] == given
    singles = [asked(f"{api}/predict", {"user_id": key}) for key in given]
    assert [single.status for single in singles] == [
        404 if key in (NOBODY, "a\u0301") else 200 for key in given
    ]
    assert [without_age(entry) for entry in entries] == [
        without_age(single.body) if single.status == 200 else {"user_id": key, **single.body}
        for key, single in zip(given, singles, strict=True)
    ]
    assert all(
        single.body["model"] == answer.body["model"] for single in singles if single.status == 200
    )
    assert any(
        None in entry["features_used"].values() for entry in entries if "features_used" in entry
    )


def test_a_batch_is_logged_under_one_request(
    api: str, installed: Platform, keys: list[str]
) -> None:
    given = [keys[0], NOBODY, keys[0], keys[5]]
    body = json.dumps({"user_ids": given}).encode()
    answer = call(api, "POST", "/predict/batch", body, {"X-Request-ID": "a-batch"})
    said = [
        (e["user_id"], e["probability"])
        for e in json.loads(answer.text)["predictions"]
        if "probability" in e
    ]
    statement = (
        "SELECT key, probability FROM streamflow.prediction_log"
        " WHERE request_id = 'a-batch' ORDER BY id"
    )
    assert installed.connection.execute(statement).fetchall() == said
    assert [key for key, _ in said] == [keys[0], keys[0], keys[5]]


def test_the_limits_of_a_batch(api: str, keys: list[str]) -> None:
    most = (keys * 2)[:600]
    answer = asked(f"{api}/predict/batch", {"user_ids": most})
    assert answer.status == 200
    assert [entry["user_id"] for entry in answer.body["predictions"]] == most
    for refused in ([], [*most, keys[0]], keys[:1] * 10_000, [keys[0], 7], [""], keys[0]):
        answer = asked(f"{api}/predict/batch", {"user_ids": refused})
        assert (answer.status, answer.body["code"]) == (422, "malformed_request")
    nobody = asked(f"{api}/predict/batch", {"user_ids": [NOBODY]})
    assert (nobody.status, nobody.body["predictions"][0]["code"]) == (200, "entity_unknown")


def test_a_version_that_changes_hands_is_served_without_a_restart(
    api: str, installed: Platform, keys: list[str]
) -> None:
    """By our command, in MLflow's page, by a rollback; for each `since` is what the ledger says."""
    client = MlflowClient(installed.tracking_uri, registry_uri=installed.tracking_uri)

    def outside(version: int, stage: str) -> None:
        with ignore_stage_warnings():
            client.transition_model_version_stage(
                "streamflow_churn", str(version), stage, archive_existing_versions=True
            )

    assert answers_by(api, 1)
    promote(installed, 2, force=True, why="a test")
    assert wait_for(lambda: answers_by(api, 2))
    # The version may answer a moment before the ledger has its entry.
    assert wait_for(lambda: asked(f"{api}/model").body["since"] is not None)
    entry = read_ledger(installed)[-1]
    model = asked(f"{api}/model").body
    assert (
        datetime.fromisoformat(model["since"])
        == entry.since
        <= datetime.fromisoformat(model["loaded"])
    )
    outside(3, "Production")
    assert wait_for(lambda: answers_by(api, 3))
    assert asked(f"{api}/model").body["since"] is None, "nobody has entered it yet"
    assert "version 3 was put into Production in MLflow" in asked(f"{api}/ready").body["notes"][0]
    back = rollback(installed, why="a test")
    assert wait_for(lambda: answers_by(api, back.version))
    assert asked(f"{api}/predict", {"user_id": keys[0]}).body["model"]["version"] == back.version
    swapped = numbers(api)["streamflow_model_reloads_total"]
    assert (swapped[("swapped",)], swapped[("refused",)]) == (4, 0)


def test_what_is_taken_out_of_production_answers_no_more(
    api: str, installed: Platform, keys: list[str]
) -> None:
    held = asked(f"{api}/model").body["version"]
    client = MlflowClient(installed.tracking_uri, registry_uri=installed.tracking_uri)
    with ignore_stage_warnings():
        client.transition_model_version_stage("streamflow_churn", str(held), "Archived")
    assert wait_for(lambda: asked(f"{api}/predict", {"user_id": keys[0]}).status == 503)
    answer = asked(f"{api}/predict", {"user_id": keys[0]})
    assert (answer.body["code"], answer.body["error"]) == (
        "version_missing",
        "no version of streamflow_churn is in Production",
    )
    assert (
        call(api, "POST", "/predict", json.dumps({"user_id": keys[0]}).encode()).headers[
            "retry-after"
        ]
        == "1"
    )
    assert asked(f"{api}/features/{keys[0]}").status == 200
    promote(installed, 1, force=True, why="back")
    assert wait_for(lambda: answers_by(api, 1))


def test_workers_count_together_and_converge(installed: Platform, keys: list[str]) -> None:
    with served(installed, extra={"STREAMFLOW_API_WORKERS": "2"}, forks=False) as base:
        ids = [
            call(base, "POST", "/predict", json.dumps({"user_id": key}).encode())
            for key in keys[:30]
        ]
        assert {answer.status for answer in ids} <= {200, 503}, (
            "a worker may still look its version up"
        )
        given = sum(answer.status == 200 for answer in ids)
        found = [numbers(base) for _ in range(6)]
        assert {sum(n["streamflow_predictions_total"].values()) for n in found} == {given}
        promote(installed, 2, force=True, why="a test")

        def all_say(version: int) -> bool:
            return all(answers_by(base, version) for _ in range(12))

        assert wait_for(lambda: all_say(2), seconds=60)


def test_predict_answers_the_same_with_and_without_fastapi(api: str, keys: list[str]) -> None:
    """A content type with a parameter goes the way of FastAPI."""
    answers = []
    for content_type in ("application/json", "application/json; charset=utf-8"):
        request = urllib.request.Request(  # noqa: S310  # our address
            f"{api}/predict",
            data=json.dumps({"user_id": keys[0]}).encode(),
            headers={"Content-Type": content_type, "X-Request-ID": "same"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            answers.append((dict(response.headers), json.load(response)))
    (direct_headers, direct), (headers, answer) = answers
    for varying in ("content-length", "date"):
        assert direct_headers.pop(varying)
        assert headers.pop(varying)
    assert direct_headers == headers
    assert list(direct) == list(answer)
    assert without_age(direct) == without_age(answer)
