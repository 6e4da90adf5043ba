"""Numbers and log of the real API.

What is counted, what a request id does, and that no value of a client gets out.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Cluster
from psycopg import sql
from support.api import served
from support.chain import JANUARY, in_production, run
from support.processes import wait_for
from support.scrape import call, line_of, log_lines, numbers
from support.states import JANUARY_SERVED, in_state

from streamflow.database import connect
from streamflow.platform import Platform, open_platform

KEY = "7590-VHVEG"
ABSENT = "9999-PLANTED"  # a key that nobody has
PREFIX = "/churn"  # which a proxy before the API removes
ASK = json.dumps({"user_id": KEY}).encode()


@pytest.fixture(scope="module")
def installed(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """An installation with a drop and a version in Production."""
    home = tmp_path_factory.mktemp("operations") / "home"
    with in_state(cluster, JANUARY_SERVED, simulated_drops, home) as platform:
        yield platform


@pytest.fixture(scope="module")
def api(installed: Platform) -> Iterator[str]:
    extra = {"STREAMFLOW_LOG_FORMAT": "json", "STREAMFLOW_API_ROOT_PATH": PREFIX}
    with served(installed, extra=extra) as base:
        yield base


@pytest.fixture
def log(installed: Platform) -> Path:
    return installed.home / "logs" / "api.log"


def increase(
    before: dict[tuple[str, ...], float], after: dict[tuple[str, ...], float]
) -> dict[tuple[str, ...], float]:
    return {
        labels: value - before.get(labels, 0)
        for labels, value in after.items()
        if value != before.get(labels, 0)
    }


def test_every_answer_is_counted_under_the_declared_path(api: str) -> None:
    before = numbers(api)
    for method, path, body in (
        ("GET", f"/features/{KEY}", None),
        ("GET", f"/features/{ABSENT}", None),
        ("POST", "/predict", ASK),
        ("POST", "/predict", b"{"),
        ("POST", "/predict", b'{"user_id": 7590}'),
        ("GET", "/predict", None),
        ("GET", f"/nothing/{KEY}", None),
        ("GET", f"/features/{KEY}/deeper?key={KEY}", None),
        ("PROPFIND", "/health", None),
        ("PROPFIND", f"/{KEY}", None),
        ("GET", "/docs", None),
        ("POST", "/docs", None),
        ("GET", "/health/", None),
    ):
        call(api, method, path, body)
    after = numbers(api)
    template = "/features/{user_id}"
    assert increase(before["api_requests_total"], after["api_requests_total"]) == {
        ("GET", "/metrics", "200"): 1,
        ("GET", template, "200"): 1,
        ("GET", template, "404"): 2,
        ("POST", "/predict", "200"): 1,
        ("POST", "/predict", "422"): 2,
        ("GET", "/predict", "405"): 1,
        ("GET", "unmatched", "404"): 2,
        ("other", "/health", "405"): 1,
        ("other", "unmatched", "404"): 1,
        ("GET", "/docs", "200"): 1,
        ("POST", "/docs", "405"): 1,
    }
    assert increase(before["api_errors_total"], after["api_errors_total"]) == {
        ("entity_unknown",): 2,
        ("malformed_request",): 2,
        ("method_not_allowed",): 3,
        ("not_found",): 3,
    }
    seconds = {
        labels[1:]: value
        for labels, value in after["api_request_latency_seconds_bucket"].items()
        if labels[0] == "+Inf"
    }
    counts = after["api_request_latency_seconds_count"]
    assert seconds == counts
    for labels, count in counts.items():
        assert count == sum(
            n
            for (method, path, _), n in after["api_requests_total"].items()
            if (method, path) == labels
        )
    assert KEY not in str(after)


def test_the_numbers_say_what_could_be_predicted(api: str, installed: Platform) -> None:
    before = numbers(api)["streamflow_predictions_total"]
    answer = json.loads(call(api, "POST", "/predict", ASK).text)
    found = numbers(api)
    version, run_id = answer["model"]["version"], answer["model"]["run_id"]
    assert increase(before, found["streamflow_predictions_total"]) == {
        (str(answer["prediction"]), str(version)): 1
    }
    assert found["streamflow_model_info"] == {("streamflow_churn", run_id, str(version)): 1}
    assert found["streamflow_ready"] == {(): 1}
    age = (datetime.now(UTC) - datetime(2024, 1, 31, tzinfo=UTC)).total_seconds()
    assert found["streamflow_feature_age_seconds"][()] == pytest.approx(age, abs=60)
    assert found["process_resident_memory_bytes"][()] > 1e6
    assert not [name for name in found if name.endswith("_created")]
    installed.connection.execute("ALTER TABLE online.usage_agg_30d_fv RENAME TO gone")
    try:
        assert numbers(api)["streamflow_ready"] == {(): 0}
    finally:
        installed.connection.execute("ALTER TABLE online.gone RENAME TO usage_agg_30d_fv")
    assert numbers(api)["streamflow_ready"] == {(): 1}


@pytest.mark.parametrize("given", ["a.Well-formed_id.1", "x" * 64])
def test_a_well_formed_request_id_goes_all_the_way(
    api: str, installed: Platform, log: Path, given: str
) -> None:
    answer = call(api, "POST", "/predict", ASK, {"X-Request-ID": given})
    assert answer.headers["x-request-id"] == given
    logged = installed.connection.execute(
        "SELECT version FROM streamflow.prediction_log WHERE request_id = %s", [given]
    ).fetchall()
    assert logged == [(1,)]
    line = line_of(log, given)
    moment = datetime.fromisoformat(line.pop("time"))
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert moment.utcoffset() == datetime.now(UTC).utcoffset()
    assert line.pop("ms") > 0
    assert line == {
        "level": "info",
        "event": "request",
        "request_id": given,
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "version": 1,
    }


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a/b", 'a"}', "ä"])
def test_any_other_request_id_is_replaced(api: str, log: Path, given: str) -> None:
    answer = call(api, "GET", "/no-such-path", headers={"X-Request-ID": given})
    made = answer.headers["x-request-id"]
    assert made != given
    assert len(made) == 32
    assert line_of(log, made)["error"] == "not_found"


def test_our_answer_to_a_path_that_is_not_there_has_the_form_of_every_error(api: str) -> None:
    assert json.loads(call(api, "GET", "/nothing").text) == {
        "error": "Not Found",
        "code": "not_found",
    }
    refused = call(api, "DELETE", "/health")
    assert (json.loads(refused.text)["code"], refused.headers["allow"]) == (
        "method_not_allowed",
        "GET",
    )
    assert "/metrics" not in json.loads(call(api, "GET", "/openapi.json").text)["paths"]


def test_an_unforeseen_error_is_logged_by_types_and_places_alone(
    api: str, installed: Platform, log: Path
) -> None:
    """PostgreSQL quotes the whole row in the error's DETAIL, and a trigger whatever it likes."""
    login = connect(installed.login, autocommit=True)
    table = "streamflow.prediction_log"
    before = numbers(api)
    with login as connection:
        connection.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT nobody CHECK (key <> '{KEY}') NOT VALID"
        )
        refused = call(api, "POST", "/predict", ASK)
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT nobody")
    assert (refused.status, json.loads(refused.text)["code"]) == (500, "unforeseen")
    after = numbers(api)
    assert increase(before["api_errors_total"], after["api_errors_total"]) == {("unforeseen",): 1}
    assert (
        increase(before["api_requests_total"], after["api_requests_total"])[
            "POST", "/predict", "500"
        ]
        == 1
    )
    line = line_of(log, refused.headers["x-request-id"])
    assert (line["level"], line["status"], line["error"]) == ("error", 500, "unforeseen")
    assert line["exception"].startswith("psycopg.errors.CheckViolation (SQLSTATE 23514)\n")
    assert "  streamflow.warehouse.prediction_log:" in line["exception"]
    assert [
        line for line in log_lines(log) if line["level"] == "error" and "request_id" not in line
    ] == []


def test_no_key_and_no_text_of_a_client_is_in_the_log_or_the_numbers(
    api: str, installed: Platform, log: Path
) -> None:
    """On all paths, with malformed bodies, and with a database that fails and comes back."""
    for planted in (KEY, ABSENT):
        for path in ("features", "predict", "nothing"):
            call(
                api,
                "GET",
                f"/{path}/{planted}?user_id={planted}",
                headers={"User-Agent": planted, "Referer": planted},
            )
        for body in (
            f'{{"user_id": "{planted}"}}',
            f'{{"{planted}": 1}}',
            f'"{planted}',
            f'{{"user_id": ["{planted}"]}}',
            planted,
        ):
            call(
                api,
                "POST",
                f"/predict?{planted}",
                body.encode(),
                {"X-Request-ID": f"{planted} {planted}"},
            )
        call(api, planted, f"/{planted}")
    name = sql.Identifier(installed.login.database)
    administrator = installed.login.with_database("postgres")
    with connect(administrator, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND application_name <> 'streamflow'",
            [installed.login.database],
        )
        failed = call(api, "POST", "/predict", ASK)
        down = numbers(api)["streamflow_ready"]
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
    assert (failed.status, json.loads(failed.text)["code"]) == (503, "database_unavailable")
    assert down == {(): 0}
    assert wait_for(lambda: call(api, "POST", "/predict", ASK).status == 200)
    written = log.read_text(encoding="utf-8")
    assert KEY not in written
    assert "PLANTED" not in written
    libraries = {line["logger"] for line in log_lines(log) if "logger" in line}
    assert {"uvicorn.error", "psycopg.pool"} <= libraries, (
        "no line of a library went through our form"
    )
    features = json.loads(call(api, "GET", f"/features/{KEY}").text)["features"]
    assert str(features["monthly_fee"]) == "29.85"
    assert "29.85" not in written
    assert KEY not in str(numbers(api))


def test_a_log_for_people_keeps_the_same_rules(installed: Platform, log: Path, api: str) -> None:
    with served(installed, until="/ready") as base:
        call(base, "GET", f"/features/{ABSENT}")
        assert wait_for(lambda: "error=entity_unknown" in log.read_text(encoding="utf-8"))
    text = log.read_text(encoding="utf-8")
    assert any(
        "request" in line and "error=entity_unknown" in line
        for line in text.splitlines()
        if not line.startswith("{")
    )
    assert ABSENT not in text


def test_lines_of_one_second_are_whole(api: str, log: Path) -> None:
    """Each line is one JSON object, also when requests overlap."""
    from concurrent.futures import ThreadPoolExecutor

    began = time.time()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: call(api, "GET", "/health"), range(80)))
    ids = {answer.headers["x-request-id"] for answer in answers}
    lines = [line_of(log, request_id) for request_id in ids]
    assert len(ids) == 80
    assert all(datetime.fromisoformat(line["time"]).timestamp() > began - 1 for line in lines)


def test_a_database_that_restarts_before_the_first_version_is_survived(
    platform: Platform, simulated_drops: Path
) -> None:
    with served(platform, until="/health") as base:
        assert call(base, "GET", "/ready").status == 503
        with connect(platform.login, autocommit=True) as connection:
            ended = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = ANY(%s)",
                [[platform.login.database, platform.settings.mlflow_database]],
            ).fetchone()
        assert ended is not None
        assert ended[0] >= 2
        with open_platform(platform.settings) as again:
            run(again, simulated_drops / "month_000", JANUARY)
            in_production(again, JANUARY)
        assert wait_for(lambda: call(base, "GET", "/ready").status == 200)


def test_the_pages_work_without_internet_behind_a_proxy_that_removes_a_prefix(api: str) -> None:
    for path in ("/docs", "/redoc"):
        page = call(api, "GET", path)
        links = re.findall(r'(?:src|href|spec-url)="([^"]+)"', page.text)
        links += re.findall(r"url: '([^']+)'", page.text)
        assert len(links) >= 3
        for link in links:
            assert link.startswith(f"{PREFIX}/"), link
            assert call(api, "HEAD", link.removeprefix(PREFIX)).status == 200, link
        assert "http" not in page.headers["content-security-policy"]
    document = json.loads(call(api, "GET", "/openapi.json").text)
    assert document["servers"] == [{"url": PREFIX}]


def test_every_endpoint_that_answers_get_answers_head(api: str) -> None:
    for path in ("/health", "/ready", "/model", "/metrics", "/docs", "/redoc", "/openapi.json"):
        wanted, answer = call(api, "GET", path), call(api, "HEAD", path)
        assert (answer.status, answer.text) == (200, ""), path
        assert answer.headers["content-type"] == wanted.headers["content-type"]
    assert call(api, "HEAD", f"/features/{KEY}").status == 200
    assert call(api, "HEAD", f"/features/{ABSENT}").status == 404
    assert call(api, "HEAD", "/predict").status == 405
