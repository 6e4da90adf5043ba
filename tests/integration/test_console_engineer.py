"""The console's pages for the engineer, and its forms, in process."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from html import unescape
from io import StringIO
from pathlib import Path

import httpx
import polars as pl
import pytest
from conftest import Cluster
from support.chain import JANUARY, copy_drop, load
from support.console_contents import store_report
from support.console_pages import STATEMENTS, Browser, browsed, text_of
from support.mlflow_page import client, transition
from support.states import THREE_VERSIONS, in_state

from streamflow.console import service_pages
from streamflow.console.catalog_page import COLUMNS_SHOWN
from streamflow.core.data.catalog_overview import describe_catalog
from streamflow.core.data.difference import Difference
from streamflow.database import connect
from streamflow.errors import VersionMissing
from streamflow.platform import Platform, open_platform
from streamflow.receipt import to_json
from streamflow.steps.data.drop_record import list_drops, read_drop
from streamflow.steps.data.revision_record import RevisionPosition, list_revisions
from streamflow.steps.monitoring.stored_reports import list_reports, read_report
from streamflow.steps.promotion.promote import promote
from streamflow.steps.serving.api_keys import create_key, list_keys
from streamflow.steps.stages.ledger import (
    find_version_at,
    read_entry,
    read_ledger,
    read_newest_entries,
)
from streamflow.steps.stages.requester import Requester
from streamflow.steps.stages.transitions import disagreements, production_status, reconcile
from streamflow.steps.upkeep.console_actions import list_actions
from streamflow.steps.upkeep.doctor.finding import Finding, State
from streamflow.steps.versions.reproduce import LevelVerdict, ReproduceReceipt
from streamflow.steps.versions.reproductions import record_reproduction
from streamflow.steps.versions.training_sets import list_training_sets, read_training_set
from streamflow.steps.versions.version_record import list_versions, read_version
from streamflow.warehouse import inbox, skew
from streamflow.warehouse.frozen import all_revisions
from streamflow.warehouse.inbox import InboxEntry
from streamflow.warehouse.roles import CONSOLE
from streamflow.web.active_keys import KeyRing

USERS = RevisionPosition(as_of=JANUARY, table="users", revision=1)
HOSTILE = '"><script>alert(1)</script>'
MAX_STATEMENTS = 6
MAX_PAGE_BYTES = 100_000
READ_PAGES = (
    "/versions",
    "/versions?below=3",
    "/versions/1",
    "/versions/3",
    "/production",
    "/production?below=2",
    "/production/entries/1",
    "/production/served?instant=2099-01-01",
    "/production/served",
    "/drops",
    "/drops/2024-01-31",
    "/snapshots",
    "/snapshots?after=2024-01-31~2~subscriptions",
    "/training-sets",
    "/training-sets?below=3",
    "/training-sets/1",
    "/data",
    "/data?of=subscriptions",
    "/monitoring",
    "/monitoring/reports/1",
    "/monitoring/reports/1/feature?name=monthly_fee",
    "/work",
    "/runs",
    "/serving",
)
ADMIN_PAGES = ("/service", "/production/rollback")


@dataclass
class Console:
    """An installation with three versions, and two persons with browsers."""

    platform: Platform
    reader: Browser
    admin: Browser


@pytest.fixture(scope="module")
def console(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("engineer")
    with in_state(cluster, THREE_VERSIONS, simulated_drops, folder / "home") as platform:
        prepare(platform, simulated_drops, folder)
        reader_key = create_key(platform, "reader", scope="read", days=None)
        admin_key = create_key(platform, f"ada {HOSTILE}", scope="admin", days=None)
        with open_platform(platform.settings, role=CONSOLE) as opened:
            open_connection = partial(connect, opened.address, autocommit=True)
            ring = KeyRing(open_connection, print, interval_s=0.05)
            with ring.keep_reading(), browsed(opened, ring) as reader:
                admin = Browser(app=reader.app, state=reader.state, log=reader.log)
                for browser, key in ((reader, reader_key), (admin, admin_key)):
                    answer = browser.post("/login", browser.token(), key=key.key)
                    assert answer.status_code == 303
                yield Console(platform=platform, reader=reader, admin=admin)


def prepare(platform: Platform, drops: Path, folder: Path) -> None:
    """Correct January, refuse a folder, leave a row out, and store a report and a run of skew."""
    fee = pl.col("monthly_fee").cast(pl.Float64) + 1
    changes = {"subscriptions": {"monthly_fee": fee.cast(pl.String)}}
    load(platform, copy_drop(drops / "month_000", folder / "corrected", **changes), JANUARY)
    connection = platform.connection
    connection.execute(
        "INSERT INTO streamflow.reject (as_of, table_name, file, line, key, reason, cells)"
        " VALUES (%s, 'users', 'users.csv', 17, %s, %s, '{}')",
        [JANUARY, HOSTILE, f"users.csv:17 column 'x': got {HOSTILE}"],
    )
    inbox.record_entry(
        connection,
        InboxEntry(
            folder=f"2024-01 {HOSTILE}",
            digest="x",
            as_of=JANUARY,
            status="failed",
            error=f"users.csv:3 {HOSTILE}\nusers.csv:4",
            at=JANUARY,
        ),
    )
    store_report(platform)
    names = ("since", "sampled", "not_comparable", "compared", "stale", "late", "type", "code")
    counts = {**dict.fromkeys(names, 7), "since": None}
    skew.store_report(
        connection,
        {**counts, "unexplained": 0, "probabilities": 5, "probabilities_differ": 1},
    )


def csv_of(browser: Browser, path: str) -> list[dict[str, str]]:
    answer = browser.get(path)
    assert answer.status_code == 200
    return list(csv.DictReader(StringIO(answer.text)))


def field(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found is not None, page.text
    return unescape(found[1])


def table_rows(html: str) -> list[list[str]]:
    """Return the cells of each row of each table, as a person reads them."""
    rows = re.findall(r"<tr>(.*?)</tr>", html, flags=re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL) for row in rows]
    return [[text_of(cell).strip() for cell in row] for row in cells if row]


@pytest.mark.parametrize("path", READ_PAGES)
def test_a_page_is_small_safe_and_for_readers(console: Console, path: str) -> None:
    page = console.reader.get(path)
    assert page.status_code == 200, page.text
    statements = len(STATEMENTS)
    assert statements <= MAX_STATEMENTS, STATEMENTS
    assert len(page.content) <= MAX_PAGE_BYTES
    assert "<script>alert" not in page.text
    assert "style=" not in page.text
    assert re.search(r"<title>[^<]+ · streamflow</title>", page.text)


@pytest.mark.parametrize("path", ADMIN_PAGES)
def test_a_page_that_changes_something_needs_the_scope_admin(console: Console, path: str) -> None:
    refused = console.reader.get(path)
    assert refused.status_code == 403
    assert "scope admin" in text_of(refused.text)
    page = console.admin.get(path)
    assert page.status_code == 200, page.text
    assert "<script>alert" not in page.text


def test_the_json_of_each_page_is_the_receipt_of_its_step(console: Console) -> None:
    platform = console.platform
    served_at = datetime(2099, 1, 1, tzinfo=UTC)
    receipts = {
        "/versions": list_versions(platform, limit=25),
        "/versions?below=3": list_versions(platform, below=3, limit=25),
        "/versions/1": read_version(platform, 1),
        "/production": read_newest_entries(platform, limit=25),
        "/production/entries/1": read_entry(platform, 1),
        "/production/served?instant=2099-01-01": find_version_at(platform, served_at),
        "/drops": list_drops(platform, limit=24),
        "/drops/2024-01-31": read_drop(platform, JANUARY),
        "/snapshots": list_revisions(platform, limit=60),
        "/snapshots?after=2024-01-31~1~users": list_revisions(platform, position=USERS, limit=60),
        "/training-sets": list_training_sets(platform, limit=12),
        "/training-sets/2": read_training_set(platform, 2),
        "/data": describe_catalog(platform.catalog),
        "/monitoring": list_reports(platform, limit=24),
        "/monitoring/reports/1": read_report(platform, 1),
    }
    for path, receipt in receipts.items():
        sign = "&" if "?" in path else "?"
        answer = console.reader.get(f"{path}{sign}format=json")
        assert answer.json() == json.loads(to_json(receipt)), path


def test_a_version_shows_what_its_passport_and_the_ledger_say(console: Console) -> None:
    record = read_version(console.platform, 1)
    facts = record.recorded
    assert facts is not None
    text = console.reader.text("/versions/1")
    metrics = facts.metrics
    assert f"{metrics['auc']:.4f} {metrics['auc_low']:.4f} {metrics['auc_high']:.4f}" in text
    assert [level.name for level in facts.levels] == [
        "data",
        "features",
        "code",
        "environment",
        "configuration",
    ]
    for level in facts.levels:
        assert level.digest[:16] in text
    for file in facts.files:
        assert file.name in text
    assert facts.honesty is not None
    for finding in facts.honesty.findings:
        assert text_of(finding.words) in text
    entry = record.gate_entry
    assert entry is not None
    gates = json.loads(entry.evidence)["gates"]
    conditions = csv_of(console.reader, "/versions/1?format=csv&table=gate")
    assert [row["condition"] for row in conditions] == [gate["name"] for gate in gates]
    rows = csv_of(console.reader, "/versions?format=csv")
    assert [row["version"] for row in rows] == ["3", "2", "1"]
    newest = list_versions(console.platform, limit=1)[0]
    assert float(rows[0]["auc"]) == newest.metrics["auc"]
    assert newest == console.platform.models.versions()[0]


def test_a_version_shows_five_lights_by_its_newest_reproduction(console: Console) -> None:
    path = "/versions/3"
    assert "streamflow reproduce 3" in console.reader.text(path)
    assert console.reader.text(path).count("not compared yet") == 10
    record = read_version(console.platform, 3)
    levels = [
        LevelVerdict(name=name, verdict="same", differences=(), count=0)
        for name in ("data", "features", "code", "environment")
    ]
    difference = Difference(what="trees", recorded="8", now="9")
    levels.append(
        LevelVerdict(name="configuration", verdict="drifted", differences=(difference,), count=5)
    )
    receipt = ReproduceReceipt(
        model=record.model, version=3, run_id=record.version.run_id, as_of=JANUARY,
        label_as_of=JANUARY, known_at=JANUARY, result="differs", differences=("x",),
        largest_difference=0.1, tolerance=0.0, predictions=9, levels=tuple(levels), tampered=(),
        code="at hand", seconds=1.0,
    )  # fmt: skip
    record_reproduction(console.platform, receipt, Requester(who=f"ada {HOSTILE}"))
    reproduced = read_version(console.platform, 3).reproduced
    assert reproduced is not None
    assert (reproduced.result, reproduced.holds) == ("differs", False)
    page = console.reader.get(path).text
    assert "<script>alert" not in page
    assert page.count('<li class="same">') == 4
    assert page.count('<li class="drifted">') == 1
    assert "The newest reproduction said: differs." in text_of(page)
    rows = csv_of(console.reader, f"{path}?format=csv&table=levels")
    assert [row["verdict"] for row in rows] == ["same"] * 4 + ["drifted"]
    assert rows[-1]["differences"] == f"{difference}; and 4 more"
    assert read_version(console.platform, 2).reproduced is None


def test_a_drop_shows_its_correction_and_what_was_refused(console: Console) -> None:
    text = console.reader.text("/drops/2024-01-31")
    assert "monthly_fee" in text
    assert HOSTILE in unescape(console.reader.get("/drops/2024-01-31").text)
    rows = csv_of(console.reader, "/drops/2024-01-31?format=csv&table=revisions")
    corrected = [row for row in rows if row["revision"] == "2"]
    assert [row["table"] for row in corrected] == ["subscriptions"]
    assert "monthly_fee" in corrected[0]["changed_columns"].split(", ")
    assert corrected[0]["more_rows"] == "0"
    rejects = csv_of(console.reader, "/drops/2024-01-31?format=csv&table=rejects")
    assert [(row["file"], row["line"]) for row in rejects] == [("users.csv", "17")]
    assert "users.csv:4" in console.reader.text("/drops")
    assert console.reader.get("/drops/2023-01-31").status_code == 404
    assert console.reader.get("/drops?below=2024-01-31&format=json").json()["drops"] == []


def test_a_drop_that_was_only_refused_has_no_loaded_rows(console: Console) -> None:
    march = datetime(2024, 3, 31, tzinfo=UTC)
    inbox.record_entry(
        console.platform.connection,
        InboxEntry(
            folder="2024-03-31", digest="x", as_of=march, status="failed", error="x.csv:1", at=march
        ),
    )
    text = console.reader.text("/drops/2024-03-31")
    assert "Nothing of this drop was loaded" in text
    assert "All rows were loaded" not in text
    assert "streamflow snapshot" not in text, "there is nothing to freeze"
    assert "All rows were loaded" not in console.reader.text("/drops/2024-01-31")


def test_the_snapshots_are_all_revisions_and_go_on(console: Console) -> None:
    frozen = all_revisions(console.platform.connection)
    rows = csv_of(console.reader, "/snapshots?format=csv")
    assert len(rows) == len(frozen)
    newest_first = sorted(frozen, key=lambda r: (-r.as_of.timestamp(), r.table, -r.revision))
    assert [row["digest"] for row in rows] == [revision.digest for revision in newest_first]
    corrected = next(row for row in rows if row["revision"] == "2")
    assert "monthly_fee" in corrected["changed_columns"].split(", ")
    trained = [row["versions"] for row in rows if row["versions"]]
    assert trained
    first = list_revisions(console.platform, limit=4)
    second = list_revisions(console.platform, position=first.next, limit=100)
    assert second.next is None
    digests = [revision.digest for revision in (*first.revisions, *second.revisions)]
    assert digests == [revision.digest for revision in newest_first]


def test_a_training_set_shows_certificate_and_honesty_as_recorded(console: Console) -> None:
    facts = read_version(console.platform, 1).recorded
    assert facts is not None
    assert facts.honesty is not None
    row = csv_of(console.reader, "/training-sets?format=csv")[-1]
    assert row["version"] == "1"
    assert row["digest"] == facts.training_set_digest
    certificate = facts.certificate
    assert (row["checked"], row["violations"]) == (str(certificate["checked"]), "0")
    counts = [
        sum(finding.severity == severity for finding in facts.honesty.findings)
        for severity in ("severe", "warning", "note")
    ]
    assert [int(row[name]) for name in ("severe", "warning", "note")] == counts
    text = console.reader.text("/training-sets/1")
    for finding in facts.honesty.findings:
        assert text_of(finding.words) in text
    sources = csv_of(console.reader, "/training-sets/1?format=csv&table=sources")
    data_level = next(level for level in facts.levels if level.name == "data")
    assert len(sources) == len(data_level.facts)


def test_the_catalog_shows_each_column_with_its_uses(console: Console) -> None:
    overview = describe_catalog(console.platform.catalog)
    for table in overview.tables:
        assert len(table.columns) <= COLUMNS_SHOWN
        rows = csv_of(console.reader, f"/data?of={table.name}&format=csv")
        assert [row["name"] for row in rows] == [column.name for column in table.columns]
        assert [row["promise"] for row in rows] == [column.promise for column in table.columns]
    assert console.reader.get("/data?of=nothing").status_code == 404


def test_a_report_shows_the_drift_of_each_feature(console: Console) -> None:
    [row] = csv_of(console.reader, "/monitoring/reports/1?format=csv")
    assert (row["feature"], row["psi"], row["p_adjusted"]) == ("monthly_fee", "0.4321", "2e-09")
    text = console.reader.text("/monitoring/reports/1")
    assert "< 0.0001" in text
    assert "25.0 %" in text
    path = "/monitoring/reports/1/feature?name=monthly_fee"
    [feature] = read_report(console.platform, 1).report.features
    page = console.reader.get(path)
    assert f'href="{path}"' in console.reader.get("/monitoring/reports/1").text
    assert page.text.count("<rect") == 2 * len(feature.bins.names)
    bins = csv_of(console.reader, f"{path}&format=csv")
    assert [row["bin"] for row in bins] == list(feature.bins.names)
    assert [int(row["rows_now"]) for row in bins] == list(feature.bins.current)
    # Something drifted: the page says what to do, to each person what that person may do.
    assert "streamflow retrain" in text
    assert 'href="/work/retrain"' in console.admin.get("/monitoring/reports/1").text
    [counts] = csv_of(console.reader, "/monitoring?format=csv&table=skew")
    assert (counts["stale"], counts["probabilities_differ"]) == ("7", "1")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2099-03-01T12:00:00%2B05:00", "2099-03-01 07:00 UTC"),
        ("2099-03-01T20:00:00-08:00", "2099-03-02 04:00 UTC"),
        ("2099-03-01T12:00:00", "2099-03-01 12:00 UTC"),
    ],
)
def test_an_instant_of_a_different_time_zone_is_shown_in_utc(
    console: Console, text: str, shown: str
) -> None:
    page = console.reader.text(f"/production/served?instant={text}")
    assert f"was in Production at {shown}." in page


def test_addresses_that_nobody_gave_out_are_no_fault_of_ours(console: Console) -> None:
    big = "9" * 40
    for path in (
        "/versions/0",
        "/versions/99",
        f"/versions/{big}",
        "/versions/x",
        f"/versions?below={big}",
        f"/production/entries/{big}",
        "/production/entries/99",
        "/drops/yesterday",
        "/drops?below=%00",
        "/data?from=-1",
        "/data?of=%00",
        "/snapshots?after=x",
        "/snapshots?after=2024-01-31~1~%00",
        f"/snapshots?after=2024-01-31~{big}~users",
        "/training-sets/99",
        "/monitoring/reports/99",
        "/monitoring/reports/1/feature?name=%00",
        "/monitoring/reports/99/feature?name=monthly_fee",
        f"/monitoring?below={big}",
    ):
        assert console.reader.get(path).status_code in (404, 422), path
    for text in ("%00soon", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"):
        page = console.reader.text(f"/production/served?instant={text}")
        assert "Write an instant such as" in page
    for number in (99, int(big)):
        with pytest.raises(VersionMissing):
            read_version(console.platform, number)
    for path in ("/versions/99/promote", "/service/keys/none/revoke"):
        assert console.admin.get(path).status_code == 404, path


def test_a_promotion_shows_the_evidence_asks_once_and_happens_once(console: Console) -> None:
    platform = console.platform
    path = "/versions/2/promote"
    assert console.reader.get(path).status_code == 403
    page = console.admin.get(path)
    with console.admin.state.acting() as writer:
        receipt = promote(writer, 2, dry_run=True)
    assert receipt.examination is not None
    for gate in receipt.examination.gates:
        assert text_of(gate.evidence) in text_of(page.text)
    failed = ", ".join(gate.name for gate in receipt.examination.gates if not gate.passed)
    assert f"Conditions that failed: {failed}." in text_of(page.text)
    rows = {row: cells for row, *cells in table_rows(page.text)}
    for metric in receipt.examination.compared:
        numbers = (metric.champion, metric.challenger, metric.difference, metric.low, metric.high)
        assert rows[metric.metric] == [f"{number:.4f}".replace("-", "−") for number in numbers]
    token, newest = field(page, "form_token"), field(page, "newest_entry")
    before = len(read_ledger(platform))
    # A reader, no token, no number, no reason: nothing is changed.
    reader_token = console.reader.token("/versions")
    fields = {"newest_entry": newest, "force": "yes", "why": f"overruled {HOSTILE}"}
    assert console.reader.post(path, reader_token, **fields).status_code == 403
    assert console.admin.post(path, "", **fields).status_code == 403
    assert console.admin.post(path, token, **{**fields, "newest_entry": "-1"}).status_code == 403
    assert console.admin.post(path, token, **{**fields, "why": "\0"}).status_code == 403
    assert console.admin.post(path, token, **{**fields, "why": " "}).status_code == 422
    assert len(read_ledger(platform)) == before
    # MLflow's client keeps idle connections of the role that only reads. Pages read by SQL, so the
    # client is called here; the promotion below must not get such a connection.
    assert console.reader.state.platform.models.registered_runs()
    moved = console.admin.post(path, token, **fields)
    assert moved.status_code == 303
    entry = read_ledger(platform)[-1]
    assert moved.headers["location"] == f"/production/entries/{entry.seq}"
    assert (entry.action, entry.to_version, entry.forced) == ("promoted", 2, True)
    assert entry.who.startswith(f"ada {HOSTILE} (key ")
    shown = console.admin.get(moved.headers["location"]).text
    assert "<script>alert" not in shown
    assert f"overruled {HOSTILE}" in unescape(shown)
    assert "Promoted by force: Production, from version 1 to version 2." in text_of(shown)
    first = console.admin.text("/production/entries/1")
    assert "Promoted by force: version 1 came into Production. No version was there" in first
    # The second click, and a second person with an older page.
    second = console.admin.post(path, token, **fields)
    assert second.status_code == 409
    assert "newer entry" in text_of(second.text)
    assert len(read_ledger(platform)) == before + 1
    again = console.admin.get(path)
    assert "in Production already" in text_of(again.text)
    assert "<button>Promote" not in again.text


def test_a_champion_that_cannot_be_compared_is_named(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is archived by force, as one that was compared."""
    state = console.admin.state
    settings = state.platform.settings.model_copy(update={"gate_min_rows": 10_000})
    monkeypatch.setattr(state, "platform", replace(state.platform, settings=settings))
    champion = production_status(console.platform).version
    text = console.admin.text("/versions/1/promote")
    assert "champion not evaluable here" in text
    assert f"The button archives version {champion} and puts version 1 into Production" in text


def test_a_rollback_happens_once(console: Console) -> None:
    platform = console.platform
    with console.admin.state.acting() as writer:
        promote(writer, 3, force=True, why="to go back from", requester=Requester(who="x"))
    page = console.admin.get("/production/rollback")
    token, newest = field(page, "form_token"), field(page, "newest_entry")
    before = len(read_ledger(platform))
    fields = {"newest_entry": newest, "why": "complaints"}
    assert console.admin.post("/production/rollback", "", **fields).status_code == 403
    # Two clicks at once.
    clicks = [replace(console.admin) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(
            lambda click: click.post("/production/rollback", token, **fields), clicks
        )
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    entries = read_ledger(platform)
    assert len(entries) == before + 1
    assert (entries[-1].action, entries[-1].why) == ("rolled back", "complaints")
    assert f"Version {entries[-1].to_version} is in Production" in console.reader.text(
        "/production"
    )


def move_in_mlflow(console: Console, version: int, stage: str, *, archive: bool = False) -> None:
    """Move a version as on MLflow's page. The connections of the console can only read."""
    with console.admin.state.acting() as writer:
        transition(writer, version, stage, archive=archive)


def test_a_stage_moved_in_mlflow_is_seen_and_reading_changes_nothing(console: Console) -> None:
    platform = console.platform
    assert "Moved outside" not in console.reader.text("/production")
    move_in_mlflow(console, 3, "Production", archive=True)
    before = read_ledger(platform), platform.models.read_stages()
    [note] = disagreements(platform)
    page = console.reader.get("/production")
    assert len(STATEMENTS) <= MAX_STATEMENTS, STATEMENTS
    text = text_of(page.text)
    assert "Version 3 is in Production. The ledger does not have this change yet." in text
    assert f"Moved outside of streamflow: {note}." in text
    assert "streamflow reconcile" in text
    assert (read_ledger(platform), platform.models.read_stages()) == before
    with console.admin.state.acting() as writer:
        [entry] = reconcile(writer).entered
    text = console.reader.text("/production")
    assert "Version 3 is in Production since" in text
    assert "Moved outside" not in text
    assert f"Entry {entry.seq} " in text
    # Two versions in the stage: the version of the ledger serves, and the page says what to do.
    move_in_mlflow(console, 1, "Production")
    text = console.reader.text("/production")
    assert "Version 3 is in Production since" in text
    assert "Moved outside of streamflow: the versions 1, 3 are all in Production." in text
    assert "promote the version that is to serve" in text
    # The command cannot settle it. The version that serves can be promoted, to be alone again.
    with console.admin.state.acting() as writer:
        assert reconcile(writer).unsettled
    page = console.admin.get("/versions/3/promote")
    assert "The button archives the other versions" in text_of(page.text)
    newest = field(page, "newest_entry")
    fields = {"newest_entry": newest, "why": "alone again"}
    moved = console.admin.post("/versions/3/promote", field(page, "form_token"), **fields)
    assert moved.status_code == 303, text_of(moved.text)
    assert moved.headers["location"] == f"/production/entries/{read_ledger(platform)[-1].seq}"
    assert platform.models.read_stages().versions_by_stage["Production"] == [3]
    assert disagreements(platform) == []
    page = console.admin.get("/versions/3/promote")
    assert "in Production already" in text_of(page.text)
    assert "<button>Promote" not in page.text


def test_the_ledger_is_shown_when_mlflow_has_no_such_model(console: Console) -> None:
    model = console.platform.catalog.model
    with console.admin.state.acting() as writer:
        client(writer).rename_registered_model(model, f"{model}_renamed")
    text = console.reader.text("/production")
    with console.admin.state.acting() as writer:
        client(writer).rename_registered_model(f"{model}_renamed", model)
    assert "MLflow could not be asked which version is in Production:" in text
    assert f"{model}_renamed" in text
    assert f"Entry {read_ledger(console.platform)[-1].seq} " in text
    assert "MLflow could not be asked" not in console.reader.text("/production")


def test_a_key_is_shown_once_and_made_once(console: Console) -> None:
    platform = console.platform
    page = console.admin.get("/service")
    assert console.admin.get("/service?format=json").json() == json.loads(
        to_json(list_keys(platform))
    )
    token, number = field(page, "form_token"), field(page, "form_number")
    before = len(list_keys(platform))
    fields = {"form_number": number, "name": f"crm {HOSTILE}", "scope": "predict", "days": "30"}
    for changes in ({"scope": "root"}, {"days": "0"}, {"days": "9999999"}, {"name": " "}):
        assert (
            console.admin.post("/service/keys", token, **{**fields, **changes}).status_code == 403
        )
    made = console.admin.post("/service/keys", token, **fields)
    assert made.status_code == 200, made.text
    assert "<script>alert" not in made.text
    secret = re.search(r"<code>([^<]+)</code>", made.text)
    assert secret is not None
    key = next(key for key in list_keys(platform) if key.name == fields["name"])
    assert key.id in secret[1]
    assert console.admin.post("/service/keys", token, **fields).status_code == 409
    assert len(list_keys(platform)) == before + 1
    assert secret[1] not in console.admin.get("/service").text
    assert secret[1].rpartition("_")[2] not in " ".join(console.admin.log)
    form = f"/service/keys/{key.id}/revoke"
    assert "This cannot be undone" in console.admin.text(form)
    assert console.admin.post(form, "").status_code == 403
    assert console.reader.post(form, console.reader.token("/versions")).status_code == 403
    answers = [console.admin.post(form, token) for _ in range(2)]
    assert [answer.headers["location"] for answer in answers] == ["/service", form]
    assert next(row for row in list_keys(platform) if row.id == key.id).state == "revoked"
    assert f"The key {key.id} for {key.name} was already revoked" in console.admin.text(form)
    records = [(line.state, line.outcome) for line in list_actions(platform, limit=2)]
    assert records == [("done", "revoked before"), ("done", "")]
    # An address names one key: the name of several keys revokes none of them.
    assert console.admin.post("/service/keys/reader/revoke", token).status_code == 404


def test_the_checks_show_what_doctor_finds(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [
        Finding(subject="PostgreSQL", state=State.OK, text="answers", remedy="Start it."),
        Finding(subject="model", state=State.NOTE, text="none yet"),
        Finding(subject="disk", state=State.WRONG, text=HOSTILE, remedy="Free some space."),
    ]
    monkeypatch.setattr(service_pages, "doctor", lambda *_, **__: findings)
    assert console.reader.get("/service/doctor").status_code == 403
    page = console.admin.get("/service/doctor")
    assert page.status_code == 200, page.text
    assert "<script>alert" not in page.text
    cells = [["PostgreSQL", "ok", "answers", ""], ["model", "note", "none yet", ""]]
    cells.append(["disk", "WRONG", HOSTILE, "Free some space."])
    rows = csv_of(console.admin, "/service/doctor?format=csv")
    assert [list(row.values()) for row in rows] == cells
    answer = console.admin.get("/service/doctor?format=json")
    assert answer.json() == json.loads(to_json(findings))


def test_where_no_key_is_needed_the_ledger_gets_the_login_name() -> None:
    assert Requester().name
    assert replace(Requester(), who="ada (key 1)").name == "ada (key 1)"


def test_a_version_leads_to_its_page_in_mlflow(console: Console) -> None:
    surroundings = console.reader.state.surroundings
    assert "in MLflow</a>" not in console.reader.get("/versions/1").text
    surroundings.find_pages = lambda: {"mlflow": "http://127.0.0.1:5000/"}
    page = console.reader.get("/versions/1")
    surroundings.find_pages = dict
    model = console.platform.catalog.model
    assert f'href="http://127.0.0.1:5000/#/models/{model}/versions/1"' in page.text
