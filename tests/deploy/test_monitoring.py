"""What deploy/ hands to Prometheus and Grafana fits what the API and the database really have."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import yaml
from conftest import Cluster
from psycopg import sql
from support.api import asked, served
from support.chain import FEBRUARY, JANUARY, run
from support.scrape import numbers
from support.states import JANUARY_SERVED, in_state

from streamflow.catalog import DEFAULT_PATH
from streamflow.database import connect
from streamflow.platform import Platform
from streamflow.steps.data.migrate import migrate
from streamflow.steps.monitoring.monitor import monitor
from streamflow.warehouse.roles import READER

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FILES = ("api.json", "drift.json", "model.json")
DASHBOARDS = {
    name: json.loads((DEPLOY / "grafana/dashboards" / name).read_text(encoding="utf-8"))
    for name in FILES
}
TARGETS = [
    (name, panel, target)
    for name, d in DASHBOARDS.items()
    for panel in d["panels"]
    for target in panel["targets"]
]
PROMQL = sorted({target["expr"] for _, _, target in TARGETS if "expr" in target})
SQL = [
    pytest.param(p, t["rawSql"], id=f"{name}:{p['title']}")
    for name, p, t in TARGETS
    if "rawSql" in t
]
SERVERS_OWN = {"up"}  # Prometheus makes it


def promtool(*arguments: str) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is absent: it comes with Prometheus (Debian's package prometheus)")
    done = subprocess.run([tool, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def metrics_of(expression: str) -> set[str]:
    """The names of the metrics in a PromQL expression."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|without) \([^)]*\)", " ", expression)
    names = set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?![a-zA-Z0-9_:]|\s*\()", bare))
    return names - {"sum", "by", "or", "and", "unless"}


def alerts() -> list[dict[str, Any]]:
    text = (DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def two_months(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Two drops, and a version in Production."""
    home = tmp_path_factory.mktemp("two") / "home"
    with in_state(cluster, JANUARY_SERVED, simulated_drops, home) as platform:
        run(platform, simulated_drops / "month_001", FEBRUARY)
        monitor(platform, FEBRUARY)
        yield platform


@pytest.fixture(scope="module")
def scraped(two_months: Platform) -> dict[str, dict[tuple[str, ...], float]]:
    """The numbers of the real API after some predictions, one of a user without net service."""
    with served(two_months) as base:
        rows = two_months.connection.execute(
            "SELECT user_id FROM online.subs_profile_fv ORDER BY user_id LIMIT 40"
        ).fetchall()
        assert {asked(f"{base}/predict", {"user_id": key}).status for (key,) in rows} == {200}
        return numbers(base)


@pytest.fixture
def reader(two_months: Platform, scraped: object) -> Iterator[psycopg.Connection]:
    """A session of a user who may what the dashboards' role may, and nothing else."""
    user = f"grafana_{uuid4().hex[:8]}"
    with connect(two_months.login, autocommit=True) as owner:
        owner.execute(
            sql.SQL("CREATE ROLE {} NOLOGIN IN ROLE {}").format(
                sql.Identifier(user), sql.Identifier(READER)
            )
        )
        owner.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(user)))
        owner.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(user)))
        yield owner
        owner.execute("RESET ROLE")
        owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(user)))


def test_the_committed_dashboards_are_those_that_the_generator_builds() -> None:
    built = runpy.run_path(str(DEPLOY / "grafana/dashboards.py"))["build"]()
    assert sorted(built) == list(FILES)
    for name, text in built.items():
        assert (DEPLOY / "grafana/dashboards" / name).read_text(encoding="utf-8") == text, (
            "run `make dashboards`"
        )


def test_every_panel_reads_a_source_that_is_provisioned() -> None:
    provisioned = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/streamflow.yaml").read_text(encoding="utf-8")
    )
    sources = {(source["type"], source["uid"]) for source in provisioned["datasources"]}
    used = {(panel["datasource"]["type"], panel["datasource"]["uid"]) for _, panel, _ in TARGETS}
    assert used == sources
    for dashboard in DASHBOARDS.values():
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(ids)) == len(ids)
        cells = [
            (x, y)
            for p in (panel["gridPos"] for panel in dashboard["panels"])
            for x in range(p["x"], p["x"] + p["w"])
            for y in range(p["y"], p["y"] + p["h"])
        ]
        assert len(set(cells)) == len(cells), "two panels lie over each other"


@pytest.mark.parametrize("expression", [*PROMQL, *sorted(rule["expr"] for rule in alerts())])
def test_an_expression_reads_metrics_that_the_api_has(
    scraped: dict[str, dict[tuple[str, ...], float]], expression: str
) -> None:
    used = metrics_of(expression)
    assert used
    assert used <= {*scraped, *SERVERS_OWN}


def test_every_metric_is_documented(scraped: dict[str, dict[tuple[str, ...], float]]) -> None:
    reference = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    names = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for name in scraped
        if not name.startswith("process_")
    }
    assert [
        name for name in sorted(names) if f"`{name}`" not in reference and name != "python_info"
    ] == []


def test_the_names_of_metrics_are_found_in_an_expression() -> None:
    found = metrics_of(
        "sum by (job, le) (rate(a_bucket{path='/x',"
        " le=~'b'}[5m])) / c_total > 0.5 or absent(up{job='z'})"
    )
    assert found == {"a_bucket", "c_total", "up"}


@pytest.mark.parametrize(("panel", "query"), SQL)
def test_a_query_runs_as_the_reader_and_finds_rows(
    reader: psycopg.Connection, panel: dict[str, Any], query: str
) -> None:
    wide = re.sub(
        r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN '2024-01-01' AND now() + interval '1 day'", query
    )
    assert "$" not in wide
    cursor = reader.execute(wide)  # type: ignore[call-overload]
    rows = cursor.fetchall()
    columns = [column.name for column in cursor.description or ()]
    assert rows
    assert all(any(cell is not None for cell in row[1:]) for row in rows)
    if panel["type"] == "timeseries":
        assert columns[0] == "time"
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)


def test_the_drops_are_counted_as_they_were_delivered(
    reader: psycopg.Connection, simulated_drops: Path
) -> None:
    found = reader.execute(
        "SELECT as_of::date, population, labelled, positives"
        " FROM streamflow.drop_overview ORDER BY 1"
    ).fetchall()
    assert [as_of for as_of, *_ in found] == [JANUARY.date(), FEBRUARY.date()]
    for (_, *counted), month in zip(found, ("month_000", "month_001"), strict=True):
        users = (simulated_drops / month / "users.csv").read_text().splitlines()[1:]
        labels = [
            line.rsplit(",", 1)[1]
            for line in (simulated_drops / month / "labels.csv").read_text().splitlines()[1:]
        ]
        assert counted == [len(users), len(labels), labels.count("True")]
        assert 0 < labels.count("True") < len(labels)


def test_the_view_of_the_drops_follows_the_label_of_the_catalog(
    platform: Platform, open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    run(platform, simulated_drops / "month_000", JANUARY)
    text = DEFAULT_PATH.read_text(encoding="utf-8").replace(
        'column = "churn_label"', 'column = "left_us"'
    )
    other = tmp_path / "other.toml"
    other.write_text(
        text.replace("churn_label = {", 'left_us = { type = "bool" }\nchurn_label = {'),
        encoding="utf-8",
    )
    changed = migrate(open_with(migrated=False, catalog=other)).changes
    assert "view streamflow.drop_overview of users, labels.left_us" in changed
    rows = platform.connection.execute(
        "SELECT population, labelled, positives FROM streamflow.drop_overview"
    ).fetchall()
    assert rows == [(400, 400, 0)]  # of the new column no drop says anything yet


def test_missing_features_are_counted_as_they_were_logged(
    reader: psycopg.Connection, two_months: Platform
) -> None:
    logged = two_months.connection.execute(
        "SELECT features FROM streamflow.prediction_log ORDER BY at, id"
    ).fetchall()
    expected = sorted(sum(value is None for value in features.values()) for (features,) in logged)
    assert expected[-1] > 0
    found = reader.execute("SELECT missing_features FROM streamflow.prediction_overview").fetchall()
    assert sorted(n for (n,) in found) == expected


@pytest.mark.parametrize(
    "forbidden",
    [
        "SELECT key FROM streamflow.prediction_log",
        "SELECT who FROM streamflow.promotion",
        "SELECT why FROM streamflow.promotion",
        "SELECT * FROM streamflow.revision",
        "SELECT * FROM streamflow.erasure",
        "SELECT * FROM streamflow.reject",
        "SELECT * FROM history.users",
        "SELECT * FROM frozen.labels",
        "SELECT * FROM raw.users",
        "SELECT * FROM online.subs_profile_fv",
        "DELETE FROM streamflow.prediction_overview",
        "INSERT INTO streamflow.promotion (stage) VALUES ('Production')",
    ],
)
def test_the_reader_cannot(reader: psycopg.Connection, forbidden: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(forbidden)  # type: ignore[call-overload]


def test_no_key_is_in_what_the_reader_sees(reader: psycopg.Connection) -> None:
    names = reader.execute(
        "SELECT table_name || '.' || column_name FROM information_schema.columns"
        " WHERE table_schema NOT LIKE 'pg_%'"
        " AND table_schema <> 'information_schema'"
    ).fetchall()
    seen = {name for (name,) in names}
    assert "prediction_overview.probability" in seen
    assert not {
        name
        for name in seen
        if name.split(".")[1] in ("key", "user_id", "features", "who", "why", "request_id")
    }


def test_prometheus_accepts_the_configuration() -> None:
    promtool("check", "config", "deploy/prometheus/prometheus.yml")
    promtool("check", "rules", "deploy/prometheus/alerts.yml")


def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    tested = yaml.safe_load((Path(__file__).parent / "alerts.test.yml").read_text(encoding="utf-8"))
    fired = {
        t["alertname"]
        for case in tested["tests"]
        for t in case["alert_rule_test"]
        if t["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in alerts()}
    promtool("test", "rules", "tests/deploy/alerts.test.yml")


@pytest.mark.parametrize("name", sorted(rule["alert"] for rule in alerts()))
def test_every_alert_has_an_incident(name: str) -> None:
    operations = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    table, sections = operations.split("## 1. ", maxsplit=1)
    assert f"| alert `{name}`" in table
    assert f"*Alert `{name}`, " in sections


def test_prometheus_accepts_the_expressions_of_the_dashboards(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{n}", "expr": expression.replace("$__rate_interval", "5m")}
        for n, expression in enumerate(PROMQL)
    ]
    path = tmp_path / "panels.yml"
    path.write_text(
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8"
    )
    promtool("check", "rules", str(path))
