"""OpenLineage events of steps: what each of them read and wrote, and what a receiver can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from support.chain import FEBRUARY, JANUARY, run
from support.http_receiver import receiver
from support.lineage import Event, read_events, runs_of, versions
from support.states import JANUARY_SERVED

from streamflow.errors import SnapshotMissing
from streamflow.platform import Platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.lineage.observer import StepReporter
from streamflow.steps.monitoring.monitor import monitor
from streamflow.steps.observed import observed
from streamflow.steps.promotion.promote import promote
from streamflow.steps.promotion.rollback import rollback
from streamflow.steps.serving.score import score
from streamflow.steps.training.train import train
from streamflow.steps.upkeep.prune import prune
from streamflow.steps.versions.reproduce import reproduce
from streamflow.warehouse import frozen, ledger

MODEL = "streamflow_churn"
Opened = Callable[..., Platform]


def watched(open_with: Opened, tmp_path: Path, **flags: object) -> tuple[Platform, Path]:
    """Return a platform whose steps write their events to a file."""
    file = tmp_path / "lineage.jsonl"
    platform = open_with(lineage_file=file, trees=5, **flags)
    return replace(platform, observer=StepReporter()), file


def only_run(events: list[Event], step: str) -> Event:
    """Return the last event of the only run of a step, which began and completed."""
    (run_events,) = runs_of(events, step)
    assert [event["eventType"] for event in run_events] == ["START", "COMPLETE"]
    assert not run_events[0]["inputs"]
    assert not run_events[0]["outputs"]
    return run_events[1]


@pytest.mark.state(JANUARY_SERVED)
def test_each_step_says_what_it_read_and_wrote_by_digests(
    open_with: Opened, simulated_drops: Path, tmp_path: Path
) -> None:
    platform, file = watched(open_with, tmp_path)
    folder = simulated_drops / "month_001"
    run(platform, folder, FEBRUARY)
    trained = train(platform, FEBRUARY)
    promote(platform, trained.version, force=True, why="a test of lineage")
    rollback(platform)
    score(platform, FEBRUARY, out=tmp_path / "scores.csv")
    report = monitor(platform, FEBRUARY)
    reproduce(platform, "1")
    key = (folder / "users.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[0]
    before = {r.table: r for r in frozen.all_revisions(platform.connection) if r.as_of == FEBRUARY}
    forget(platform, key, why="asked by letter")
    after = {r.table: r for r in frozen.all_revisions(platform.connection) if r.as_of == FEBRUARY}
    prune(platform)

    events = read_events(file)
    assert key not in file.read_text(encoding="utf-8")
    assert "asked by letter" not in file.read_text(encoding="utf-8")

    files = {
        path.stem: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.csv"))
    }
    raw = {f"raw.{table}": {digest} for table, digest in files.items()}
    february = {f"frozen.{table}": {revision.digest} for table, revision in before.items()}
    ingested = only_run(events, "ingest")
    assert {d["namespace"] for d in ingested["inputs"]} == {"file"}
    read_files = {d["facets"]["version"]["datasetVersion"] for d in ingested["inputs"]}
    assert read_files == set(files.values())
    assert versions(ingested["outputs"]) == raw
    frozen_run = only_run(events, "snapshot")
    assert versions(frozen_run["inputs"]) == raw
    assert versions(frozen_run["outputs"]) == february
    live = only_run(events, "materialize")
    tables = {view.table for view in platform.catalog.views.values()}
    assert versions(live["inputs"]) == {
        name: digests for name, digests in february.items() if name[7:] in tables
    }
    assert {d["name"].split(".", 1)[1] for d in live["outputs"]} == {
        f"online.{view}" for view in platform.catalog.views
    }

    training = only_run(events, "train")
    assembled = only_run(events, "training-set")
    assert assembled["run"]["facets"]["parent"]["run"]["runId"] == training["run"]["runId"]
    digest = ledger.passport_digest(
        platform.connection, trained.run_id, model=MODEL, version=trained.version
    )
    assert digest is not None
    assert versions(training["outputs"]) == {MODEL: {digest}}
    training_set = versions(assembled["outputs"])
    assert training_set == {MODEL: {trained.training_set_digest}}
    assert versions(training["inputs"]) == versions(assembled["inputs"]) | training_set
    passport = training["run"]["facets"]["streamflow_passport"]
    assert (passport["version"], passport["passportDigest"]) == (trained.version, digest)
    sources = passport["passport"]["levels"]["data"]["sources"]
    named = {(f"frozen.{source['table']}", source["digest"]) for source in sources}
    read = versions(assembled["inputs"])
    assert named == {(name, digest) for name, digests in read.items() for digest in digests}

    promoted = only_run(events, "promote")
    assert versions(promoted["outputs"]) == {f"{MODEL}.Production": {digest}}
    rolled_back = only_run(events, "rollback")
    first = rolled_back["run"]["facets"]["streamflow_passport"]["passportDigest"]
    assert versions(rolled_back["outputs"]) == {f"{MODEL}.Production": {first}}
    scored = only_run(events, "score")
    assert versions(scored["inputs"])[MODEL] == {first}
    assert len(scored["outputs"]) == 2
    monitored = only_run(events, "monitor")
    assert versions(monitored["outputs"]) == {
        "streamflow.monitor_report": {report.report.evidence.digest}
    }
    assert len(versions(monitored["inputs"])["frozen.users"]) == 2
    rebuilt = only_run(events, "reproduce")
    assert not rebuilt["outputs"]
    assert versions(rebuilt["inputs"])[MODEL] == {first}
    erased = only_run(events, "forget")
    assert versions(erased["inputs"])["frozen.users"] >= {before["users"].digest}
    assert versions(erased["outputs"])["frozen.users"] >= {after["users"].digest}
    only_run(events, "prune")
    users = next(d for d in frozen_run["outputs"] if d["name"].endswith("frozen.users"))
    columns = {field["name"]: field["type"] for field in users["facets"]["schema"]["fields"]}
    assert columns == {
        name: column.type for name, column in platform.catalog.columns("users").items()
    }
    assert users["outputFacets"]["outputStatistics"]["rowCount"] == before["users"].rows


def test_a_step_that_fails_or_is_ended_says_so_without_its_message(
    open_with: Opened, tmp_path: Path
) -> None:
    platform, file = watched(open_with, tmp_path)

    @observed("prune")
    def interrupted(_: Platform) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SnapshotMissing):
        snapshot(platform, JANUARY)
    with pytest.raises(KeyboardInterrupt):
        interrupted(platform)
    events = read_events(file)
    assert [event["eventType"] for event in events] == ["START", "FAIL", "START", "ABORT"]
    assert events[1]["run"]["facets"]["errorMessage"]["message"] == "SnapshotMissing"
    assert "2024" not in str(events[1]["run"])
    # The next step is not a child of one that has ended.
    assert "parent" not in events[2]["run"]["facets"]


def test_events_are_sent_with_the_key_and_to_the_address_alone(
    open_with: Opened, simulated_drops: Path
) -> None:
    with receiver() as (address, requests):
        platform = replace(
            open_with(lineage_url=f"{address}/api/v1/lineage", lineage_api_key="k3y"),
            observer=StepReporter(),
        )
        ingest(platform, simulated_drops / "month_000", JANUARY)
    assert [request.json["eventType"] for request in requests] == ["START", "COMPLETE"]
    assert {request.path for request in requests} == {"/api/v1/lineage"}
    assert {request.headers["authorization"] for request in requests} == {"Bearer k3y"}


@contextmanager
def broken(kind: str) -> Iterator[str]:
    """Yield an address that is refused, that redirects, that fails or that never answers."""
    statuses = {"redirects": 307, "fails": 500, "is silent": 0}
    if kind == "is refused":
        yield "http://127.0.0.1:9"
        return
    with receiver(status=statuses[kind]) as (address, requests):
        yield address
    assert not any(request.path == "/elsewhere" for request in requests)


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("is refused", ["Connection refused"]),
        ("redirects", ["HTTP status 307", "HTTP status 307"]),
        ("fails", ["HTTP status 500", "HTTP status 500"]),
        ("is silent", ["no answer within 2 s"]),
    ],
)
def test_a_receiver_that_does_not_work_stops_no_step_and_is_named(
    open_with: Opened, kind: str, lines: list[str]
) -> None:
    notes: list[str] = []
    with broken(kind) as address:
        platform = replace(
            open_with(lineage_url=address), observer=StepReporter(), notify=notes.append
        )
        assert not prune(platform).revisions
    host = address.removeprefix("http://")
    said = [f"lineage is not sent to {host}: {line}" for line in lines]
    assert [note for note in notes if note.startswith("lineage")] == said


def test_a_file_that_cannot_be_written_stops_no_step_and_is_named(
    open_with: Opened, tmp_path: Path
) -> None:
    notes: list[str] = []
    platform, file = watched(open_with, tmp_path)
    file.mkdir()
    prune(replace(platform, notify=notes.append))
    said = [note for note in notes if note.startswith("lineage")]
    assert said == [f"lineage is not written to {file}: Is a directory"]


def test_without_a_setting_no_step_is_reported(platform: Platform) -> None:
    reporter = StepReporter()
    assert not prune(replace(platform, observer=reporter)).revisions
    assert reporter._receiver is None


def test_a_clock_gives_the_instants(open_with: Opened, tmp_path: Path) -> None:
    platform, file = watched(open_with, tmp_path)
    instants = iter([JANUARY, JANUARY + timedelta(seconds=5)])
    prune(replace(platform, observer=StepReporter(lambda: next(instants))))
    times = [event["eventTime"] for event in read_events(file)]
    assert times == ["2024-01-31T00:00:00+00:00", "2024-01-31T00:00:05+00:00"]
