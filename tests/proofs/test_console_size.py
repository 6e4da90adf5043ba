"""The console with a million scored users and 10,000 versions: no page counts or sorts them.

Every page is compared with one `SELECT count(*)` of the scored table in the same run. The users and
the versions are rows that this file writes straight into the tables.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import pytest
from conftest import Cluster
from support.chain import FEBRUARY
from support.console_pages import Browser, browsed
from support.many_versions import copy_versions
from support.states import SCORED, in_state

from streamflow.database import connect
from streamflow.platform import Platform, open_platform
from streamflow.steps.monitoring.monitor import monitor
from streamflow.steps.monitoring.stored_reports import list_reports
from streamflow.steps.serving.score import score
from streamflow.steps.stages.ledger import read_newest_entries
from streamflow.steps.upkeep.console_actions import list_actions
from streamflow.warehouse.roles import CONSOLE

USERS = 1_000_000
CLIENTS = 8
ROUNDS = 4
VERSIONS = 10_000
# The goal of the console: times the seconds of one count(*).
MOST = 10
MOST_AT_RISK = 3
# A list with a filter reads 10,000 users, each from an index and from three tables.
MOST_ROWS = 200_000
# A connection that ends reports what it has read a little later.
STATISTICS_S = 0.3
# The tables of PostgreSQL itself are counted, too: some thousand rows for a new connection.
ROWS_READ = "SELECT sum(tup_returned) FROM pg_stat_database WHERE datname = ANY(%s)"
# The owner of the tables may switch their triggers off; the rows are invented.
FILL = """
SET session_replication_role = replica;
INSERT INTO streamflow.score (score_run, key, features_as_of, probability, prediction, reasons)
SELECT r.id, 'user-' || lpad(i::text, 7, '0'), r.as_of,
       ((i::bigint * 7919 + r.id * 104729) % 1000003) / 1000003.0, 0, s.reasons
FROM generate_series(1, {users}) AS i
CROSS JOIN (SELECT DISTINCT ON (as_of) id, as_of FROM streamflow.score_run
            ORDER BY as_of, id DESC) AS r
CROSS JOIN LATERAL (SELECT reasons FROM streamflow.score WHERE score_run = r.id LIMIT 1) AS s;
INSERT INTO frozen.{table} (as_of, revision, user_id, {columns}, row_digest)
SELECT f.as_of, f.revision, 'user-' || lpad(i::text, 7, '0'), {values}, f.row_digest
FROM (SELECT * FROM frozen.{table} WHERE as_of = '2024-02-29' ORDER BY revision DESC LIMIT 1) AS f
CROSS JOIN generate_series(1, {users}) AS i;
"""


@pytest.fixture(scope="module")
def large(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("large") / "home"
    with in_state(cluster, SCORED, simulated_drops, home) as platform:
        monitor(platform, FEBRUARY)
        with connect(platform.login, autocommit=True) as connection:
            for table in ("subscriptions", "users"):
                names = list(platform.catalog.tables[table].columns)
                start = 0 if table == "subscriptions" else FILL.index("INSERT INTO frozen")
                # One user in 50,000 has a contract of two years.
                contract = "CASE WHEN i % 50000 = 0 THEN 'Two year' ELSE 'Month-to-month' END"
                values = [contract if name == "contract_type" else f"f.{name}" for name in names]
                connection.execute(
                    FILL[start:]
                    .format(
                        users=USERS,
                        table=table,
                        columns=", ".join(names),
                        values=", ".join(values),
                    )
                    .encode()
                )
            connection.execute("VACUUM ANALYZE streamflow.score")
            connection.execute("VACUUM ANALYZE frozen.subscriptions")
            connection.execute("VACUUM ANALYZE frozen.users")
        copy_versions(platform, VERSIONS)
        yield platform


def list_pages(platform: Platform) -> dict[str, str]:
    """Every page that reads. Left out are those that compute: the gate's evidence, the checks, and
    the explanation of today's answer."""
    report = list_reports(platform, limit=1).reports[0]
    [entry] = read_newest_entries(platform, below=None, limit=1)
    [action] = list_actions(platform, limit=1)
    return {
        "at risk": "/at-risk",
        "at risk, CSV": "/at-risk?format=csv",
        "in the midst": "/at-risk?after=0.5~user-0500000",
        "a common segment": "/at-risk?s.contract_type=Month-to-month",
        "a rare segment": "/at-risk?s.contract_type=Two+year",
        "a rare tenure": "/at-risk?s.signup_date=0-2",
        "moved up": "/at-risk?moved=up",
        "a user": "/users/user-0700000",
        "no such user": "/users/nobody",
        "portfolio": "/portfolio",
        "cohorts by tenure": "/portfolio?cohort=signup_date",
        "versions": "/versions",
        "older versions": "/versions?below=5000",
        "a version": "/versions/9000",
        "no such version": "/versions/1000000",
        "training sets": "/training-sets",
        "a training set": "/training-sets/9000",
        "production": "/production",
        "older entries": "/production?below=5000",
        "an entry": f"/production/entries/{entry.seq}",
        "who served": "/production/served?instant=2099-01-01",
        "rollback": "/production/rollback",
        "drops": "/drops",
        "a drop": "/drops/2024-02-29",
        "snapshots": "/snapshots",
        "data": "/data",
        "monitoring": "/monitoring",
        "runs": "/runs",
        "work": "/work",
        "older work": "/work?below=5000",
        "a job": f"/jobs/{action.job}",
        "a form": "/work/export?version=9000",
        "upload": "/upload",
        "service": "/serving",
        "keys": "/service",
        "a report": f"/monitoring/reports/{report.id}",
        "a distribution": f"/monitoring/reports/{report.id}/feature?name=monthly_fee",
    }


def test_every_page_is_quick_with_a_million_users(large: Platform) -> None:
    with open_platform(large.settings, role=CONSOLE) as reading:
        pages = list_pages(reading)
        print(f"\n{USERS} users in each of 2 drops, {VERSIONS} versions: all simulated rows")
        slow_pages = []
        for name, path in pages.items():
            rows_before = count_rows_read(large)
            with browsed(reading) as console:
                answer = console.get(path)
            assert answer.status_code == (404 if name.startswith("no such") else 200), path
            time.sleep(STATISTICS_S)
            rows = count_rows_read(large) - rows_before
            # The load of a machine changes: what is compared is measured next to each other.
            before_s = count_users(large)
            with browsed(reading) as console:
                slowest_s = ask_at_once(console, path)
            counting_s = (before_s + count_users(large)) / 2
            ratio = slowest_s / counting_s
            print(
                f"{name:18} p95 {1000 * slowest_s:6.0f} ms, {ratio:5.2f} times count(*)"
                f" in {1000 * counting_s:5.0f} ms, {rows:9} rows"
            )
            limit = MOST_AT_RISK if name == "at risk" else MOST
            if ratio > limit or rows > MOST_ROWS:
                slow_pages.append((name, ratio, rows))
        assert slow_pages == []


def count_rows_read(platform: Platform) -> int:
    """How many rows and index entries all connections that have ended have read so far."""
    names = [platform.login.database, platform.settings.mlflow_database]
    with connect(platform.address, autocommit=True) as connection:
        row = connection.execute(ROWS_READ, [names]).fetchone()
    assert row is not None
    return int(row[0])


def count_users(platform: Platform) -> float:
    """How many seconds one count of the scored table takes."""
    with connect(platform.address, autocommit=True) as connection:
        started_at = perf_counter()
        connection.execute("SELECT count(*) FROM streamflow.score").fetchone()
        return perf_counter() - started_at


def ask_at_once(console: Browser, path: str) -> float:
    """The 95th percentile of the seconds of a page, at 8 clients at once."""

    def ask(_: int) -> float:
        visitor = Browser(app=console.app, state=console.state)
        started_at = perf_counter()
        assert visitor.get(path).status_code < 500
        return perf_counter() - started_at

    with ThreadPoolExecutor(CLIENTS) as pool:
        seconds = sorted(pool.map(ask, range(CLIENTS * ROUNDS)))
    return seconds[int(0.95 * len(seconds))]


def test_a_million_users_are_added_up_once(large: Platform) -> None:
    """What `score` does for the pages after it has scored a drop of this size."""
    with large.maintenance_connection() as connection:
        connection.execute(
            "DELETE FROM streamflow.score_summary; DELETE FROM streamflow.score_segment"
        )
    started_at = perf_counter()
    assert not score(large, FEBRUARY, explain=True).new
    print(f"\nadding up: {perf_counter() - started_at:.1f} s")
    with connect(large.address) as connection:
        row = connection.execute(
            "SELECT sum(users) FROM streamflow.score_segment WHERE name = 'contract_type'"
        ).fetchone()
    assert row is not None
    assert row[0] > USERS
