"""Work that a person starts from a page of the console: asked once, done once, recorded."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from html import unescape
from importlib import import_module
from io import BytesIO, StringIO
from pathlib import Path
from random import Random
from threading import Event
from time import monotonic, sleep
from typing import Any
from urllib.parse import quote
from zipfile import ZipFile

import pytest
from conftest import Cluster
from fastapi.routing import APIRoute
from support.chain import JANUARY
from support.console_pages import STATEMENTS, Browser, browsed, launch_here, make_board, text_of
from support.states import THREE_VERSIONS, in_state

from streamflow.console import job_process, service_pages
from streamflow.console.job_process import ChildProcesses
from streamflow.console.jobs import JobOrder, JobRunning, Message
from streamflow.database import connect
from streamflow.errors import EntityUnknown, LakeUnavailable, StreamflowError
from streamflow.platform import Platform, open_platform
from streamflow.receipt import to_json
from streamflow.steps.data.forget import forget
from streamflow.steps.serving.score import score
from streamflow.steps.upkeep.console_actions import NewAction, list_actions
from streamflow.steps.versions.export import export
from streamflow.steps.versions.version_record import read_version
from streamflow.warehouse import console_actions
from streamflow.warehouse.roles import CONSOLE

HOSTILE = '"><script>alert(1)</script>'
MAX_STATEMENTS = 6


@dataclass
class Workshop:
    """An installation with three versions, and a browser of somebody who may do everything."""

    platform: Platform
    browser: Browser

    def fields_of(self, path: str) -> dict[str, str]:
        """Return the hidden fields of the form of a page."""
        page = self.browser.get(path)
        assert page.status_code == 200, page.text
        names = ("form_token", "form_number")
        found = {name: re.search(rf'name="{name}" value="([^"]*)"', page.text) for name in names}
        return {name: match[1] for name, match in found.items() if match}

    def send(self, path: str, **fields: str) -> Any:
        hidden = self.fields_of(path)
        return self.browser.post(path, hidden.pop("form_token"), **hidden, **fields)

    def wait(self, address: str) -> str:
        """Wait until a job has ended; return its page."""
        end = monotonic() + 120
        while "data-progress" in (page := self.browser.get(address)).text:
            assert monotonic() < end
            sleep(0.05)
        return page.text


@pytest.fixture(scope="module")
def workshop(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workshop]:
    folder = tmp_path_factory.mktemp("workshop")
    with (
        in_state(cluster, THREE_VERSIONS, simulated_drops, folder / "home") as platform,
        open_platform(platform.settings, role=CONSOLE) as opened,
        browsed(opened) as browser,
    ):
        state = browser.state
        state.jobs = make_board(launch_here(state), state.exports.remove)
        yield Workshop(platform=platform, browser=browser)


def test_a_reproduction_from_a_page_lights_the_version(workshop: Workshop) -> None:
    path = "/work/reproduce"
    assert "changes nothing" in workshop.browser.text(f"{path}?version=2")
    hidden = workshop.fields_of(f"{path}?version=2")
    token = hidden.pop("form_token")
    started = workshop.browser.post(path, token, **hidden, version="2")
    assert started.status_code == 303
    # The second click of the same form starts nothing.
    assert workshop.browser.post(path, token, **hidden, version="2").status_code == 409
    page = workshop.wait(started.headers["location"])
    assert "assembling the training set" in page
    assert "Version 2: identical." in text_of(page)
    receipt = workshop.browser.get(f"{started.headers['location']}?format=json").json()
    assert (receipt["result"], receipt["version"]) == ("identical", 2)
    reproduced = read_version(workshop.platform, 2).reproduced
    assert reproduced is not None
    assert reproduced.holds
    # Tests use settings of their own, so the levels may drift; the page shows what was recorded.
    verdicts = [level.verdict for level in reproduced.levels]
    version = workshop.browser.get("/versions/2").text
    assert len(STATEMENTS) <= MAX_STATEMENTS, STATEMENTS
    assert version.count('<li class="same">') == verdicts.count("same")
    [action] = list_actions(workshop.platform, limit=5)
    assert (action.action, action.subject, action.state) == ("reproduce", "version 2", "done")
    assert action.outcome == "identical"


def test_a_drop_is_scored_once(workshop: Workshop) -> None:
    path = "/work/score"
    pages = [workshop.wait(workshop.send(path, day="2024-01-31").headers["location"])]
    pages.append(workshop.wait(workshop.send(path, day="2024-01-31").headers["location"]))
    again = score(workshop.platform, JANUARY, explain=True)
    assert not again.new
    assert all(f"have an answer of version {again.run.version}" in text_of(page) for page in pages)
    newest, first = list_actions(workshop.platform, limit=2)
    assert newest.outcome == f"{first.outcome}, scored before"
    failed = workshop.wait(workshop.send(path, day="2023-01-31").headers["location"])
    assert "2023-01-31" in text_of(failed)
    assert list_actions(workshop.platform, limit=1)[0].state == "failed"
    for day in ("", "yesterday", "2024-02-30", HOSTILE):
        assert workshop.send(path, day=day).status_code == 422


def test_a_retraining_with_wrong_numbers_is_not_begun(workshop: Workshop) -> None:
    """A retraining that is begun has its test in test_console_browser_work.py."""
    fields = {"months": "1", "lead": "0", "why": "more"}
    for wrong in ({"months": "0"}, {"lead": "-1"}, {"months": "x"}, {"months": "9" * 40}):
        assert workshop.send("/work/retrain", **{**fields, **wrong}).status_code == 422


def test_an_export_is_the_file_of_the_step(workshop: Workshop, tmp_path: Path) -> None:
    assert "personal data" in workshop.browser.text("/work/export?version=2")
    started = workshop.send("/work/export", version="2")
    job = started.headers["location"]
    page = workshop.wait(job)
    assert f'href="{job}/file"' in page
    receipt = workshop.browser.get(f"{job}?format=json").json()
    answer = workshop.browser.get(f"{job}/file")
    name = f'filename="{receipt["model"]}-2.version"'
    assert name in answer.headers["content-disposition"]
    assert sha256(answer.content).hexdigest() == receipt["sha256"]
    assert len(answer.content) == receipt["bytes"]
    assert f"{receipt['bytes']:,}".replace(",", " ") in text_of(page)
    expected = export(workshop.platform, "2", tmp_path / "2.version")
    names = ("version", "run_id", "rows", "revisions", "passport_digest")
    assert [receipt[name] for name in names] == [getattr(expected, name) for name in names]
    with ZipFile(BytesIO(answer.content)) as ours, ZipFile(tmp_path / "2.version") as theirs:
        assert _members(ours) == _members(theirs)
    [action] = list_actions(workshop.platform, limit=1)
    assert (action.action, action.subject, action.state) == ("export", "version 2", "done")
    assert receipt["sha256"] in action.outcome
    # The next export takes the place of this one, also if it fails.
    failed = workshop.wait(workshop.send("/work/export", version="99").headers["location"])
    assert "99" in text_of(failed)
    assert workshop.browser.get(f"{job}/file").status_code == 404
    assert "no longer kept" in workshop.browser.get(job).text
    assert workshop.browser.get("/jobs/0123456789abcdef/file").status_code == 404


def _members(archive: ZipFile) -> dict[str, int]:
    """The checksum of each member but the manifest, which names the instant of the export."""
    return {member.filename: member.CRC for member in archive.infolist()[:-1]}


def test_a_user_is_forgotten_and_named_nowhere(workshop: Workshop) -> None:
    with connect(workshop.platform.address) as connection:
        row = connection.execute("SELECT user_id FROM frozen.users LIMIT 1").fetchone()
    assert row is not None
    key = row[0]
    assert f'value="{key}"' in workshop.browser.get(f"/work/forget?key={key}").text
    workshop.browser.log.clear()
    done = workshop.send("/work/forget", key=key, why="asked for")
    assert done.status_code == 200, done.text
    assert "frozen revisions" in text_of(done.text)
    assert forget(workshop.platform, key, why="x").already
    [action] = list_actions(workshop.platform, limit=1)
    assert (action.action, action.subject, action.state) == ("forget", "a user", "done")
    assert key not in to_json(list_actions(workshop.platform, limit=100))
    assert key not in " ".join(workshop.browser.log)
    assert workshop.send("/work/forget", key=key, why="").status_code == 422
    unknown = workshop.send("/work/forget", key="nobody", why="asked for")
    assert unknown.status_code == EntityUnknown.http_status
    assert "Nothing was changed." in text_of(unknown.text)
    rows = workshop.browser.get("/work?format=csv").text.splitlines()
    assert len(rows) == 1 + len(list_actions(workshop.platform, limit=25))
    path = f"/jobs/{action.job}"
    assert "does not remember" in workshop.browser.text(path)
    assert workshop.browser.get("/jobs/0123456789abcdef").status_code == 404
    assert workshop.browser.get("/work/dance").status_code == 404


def test_one_job_runs_at_a_time_and_is_shown(workshop: Workshop) -> None:
    may_end = Event()
    comparison = {
        "a": {"version": 1},
        "b": {"version": 2},
        "summary": "AUC fell",
        "notes": ["a note"],
        "levels": [
            {
                "name": "code",
                "differences": [
                    {"what": HOSTILE, "recorded": None, "now": "b", "note": f"note {number}"}
                    for number in range(30)
                ],
            }
        ],
        "metrics": [
            {
                "metric": "auc",
                "a": 0.8,
                "b": 0.7,
                "change": -0.1,
                "shares": [{"cause": "the labels", "value": -0.1, "percent": 100.0}],
            }
        ],
    }

    def launch(_: JobOrder, on_message: Callable[[Message], None]) -> None:
        on_message({"line": f"working {HOSTILE}"})
        may_end.wait(20)
        on_message({"receipt": comparison})

    usual, workshop.browser.state.jobs = workshop.browser.state.jobs, make_board(launch)
    started = workshop.send("/work/compare", version="1", other="2")
    page = workshop.browser.get(started.headers["location"]).text
    assert "data-progress" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "<script>alert" not in page
    assert HOSTILE in unescape(page)
    hidden = workshop.fields_of("/work/score")
    later = {**hidden, "day": "2024-01-31"}
    token = later.pop("form_token")
    busy = workshop.browser.post("/work/score", token, **later)
    assert busy.status_code == 409
    assert started.headers["location"] in busy.text
    assert started.headers["location"] in workshop.browser.get("/work").text
    may_end.set()
    ended = workshop.wait(started.headers["location"])
    assert "<script>alert" not in ended
    assert "AUC fell" in ended
    assert "(note 24)" in ended
    assert "note 25" not in ended
    assert "and 5 more" in ended
    assert "auc 0.8000 0.7000 −0.1000 −0.1000" in text_of(ended)
    answer = workshop.browser.get(f"{started.headers['location']}?format=json")
    assert answer.json() == comparison
    # The form that was refused because of the other job is still good.
    assert workshop.browser.post("/work/score", token, **later).status_code == 303
    workshop.browser.state.jobs = usual


def test_a_process_talks_by_lines_and_its_end_is_noticed() -> None:
    script = (
        "import json, sys; order = json.load(sys.stdin)['order'];"
        "print(json.dumps({'line': order['subject']}), flush=True); sys.exit(9)"
    )
    board = make_board(ChildProcesses({}, [sys.executable, "-c", script]).launch)
    job = board.start(JobOrder(kind="score", arguments={}, subject="x", who=""))
    with pytest.raises(JobRunning):
        board.start(JobOrder(kind="score", arguments={}, subject="y", who=""))
    end = monotonic() + 20
    while job.is_running and monotonic() < end:
        sleep(0.02)
    assert list(job.lines) == ["x"]
    assert job.problem == "its process ended with code 9"


def test_work_whose_process_is_gone_is_shown_as_interrupted(workshop: Workshop) -> None:
    """Nobody can record the end of a process that the kernel kills: its lock is what is seen."""
    address = workshop.platform.address
    action = NewAction(job="0123456789abcde1", who="ada", action="score", subject="drop of x")
    with connect(address, autocommit=True) as lives, console_actions.hold_work(lives, action.job):
        console_actions.record_state(lives, action, "started")
        [shown] = list_actions(workshop.platform, limit=1)
        assert (shown.job, shown.state) == (action.job, "started")
        lives.close()
        end = monotonic() + 20
        while list_actions(workshop.platform, limit=1)[0].state == "started":
            assert monotonic() < end
    [shown] = list_actions(workshop.platform, limit=1)
    assert (shown.state, shown.ended_at) == ("interrupted", None)
    page = workshop.browser.get("/work")
    assert len(STATEMENTS) <= MAX_STATEMENTS
    assert "score drop of x ada" in text_of(page.text)
    assert "interrupted" in page.text
    assert "interrupted" in workshop.browser.text(f"/jobs/{action.job}")
    # A process that had only lost its connection records its end later, and this counts.
    with connect(address, autocommit=True) as again:
        console_actions.record_state(again, action, "done", "scored")
    assert list_actions(workshop.platform, limit=1)[0].state == "done"


def test_a_user_who_is_erased_is_not_called_unchanged(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lake cannot be cleaned after the erasure: the person must know what happened."""

    def fail(_: Platform) -> None:
        raise LakeUnavailable("the lake does not answer")

    monkeypatch.setattr(import_module("streamflow.steps.data.forget"), "clean_lake", fail)
    with connect(workshop.platform.address) as connection:
        row = connection.execute("SELECT user_id FROM frozen.users LIMIT 1").fetchone()
    assert row is not None
    answer = workshop.send("/work/forget", key=row[0], why="asked for")
    assert answer.status_code == LakeUnavailable.http_status
    text = text_of(answer.text)
    assert "The key was erased, but files of the lake may still hold it." in text
    assert "Nothing was changed" not in text
    # Who only looks at a page changes nothing anyway.
    assert "Nothing was changed" not in text_of(workshop.browser.get("/drops/2030-01-01").text)


def test_the_process_of_a_job_writes_messages(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    order = JobOrder(kind="dance", arguments={}, subject="", who="")
    address = platform.settings.database_url
    assert address is not None
    flags = {"home": str(platform.home), "database_url": address.get_secret_value()}
    text = json.dumps({"flags": flags, "order": order.values})
    monkeypatch.setattr(sys, "stdin", StringIO(text))
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)
    with pytest.raises(SystemExit) as ended:
        job_process.main()
    assert ended.value.code == StreamflowError.exit_code
    message = json.loads(capfd.readouterr().out)
    assert message["problem"] == "there is no work with the name 'dance'. Nothing was changed."
    assert "unforeseen" not in message


def test_an_error_that_nobody_foresaw_is_told_without_its_message(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message may quote a user."""
    address = platform.settings.database_url
    assert address is not None
    flags = {"home": str(platform.home), "database_url": address.get_secret_value()}

    def fail(*_: object) -> None:
        raise ValueError("the key 7590-VHVEG")

    monkeypatch.setattr(job_process, "do_work", fail)
    order = JobOrder(kind="retrain", arguments={}, subject="", who="")
    messages: list[Message] = []
    assert not job_process._run(flags, order, messages.append)
    message = messages[-1]
    assert message["problem"] == "an unforeseen error (ValueError)"
    assert message["unforeseen"].startswith("builtins.ValueError")
    assert " in fail" in message["unforeseen"]
    assert "7590-VHVEG" not in json.dumps(messages)


def test_a_job_whose_packages_are_missing_says_which_extra_to_install(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = platform.settings.database_url
    assert address is not None
    flags = {"home": str(platform.home), "database_url": address.get_secret_value()}
    monkeypatch.setattr(job_process, "do_work", lambda *_: import_module("feast.of_nobody"))
    monkeypatch.setitem(sys.modules, "feast", None)  # as if it were not installed
    order = JobOrder(kind="retrain", arguments={}, subject="", who="")
    messages: list[Message] = []
    assert not job_process._run(flags, order, messages.append)
    problem = messages[-1]
    assert problem["problem"].startswith("the package feast is not installed")
    assert "streamflow-churn[train]" in problem["remedy"]


HOSTILE_VALUES = (
    "", " ", "0", "1", "2", "-1", "9" * 40, "x", "\0", "a\0b", "\u202e\u00e9", "../../etc/passwd",
    HOSTILE, "2024-01-31", "2024-02-30", "0001-01-01", "9999-12-31", "nan", "1e309", "0.5~a",
    "'; DROP TABLE streamflow.ledger; --", "%", "%s", "{x}", "=1+1", "2024-01-31~1~users",
    "0199a1b2-0000-7000-8000-000000000001", "0123456789abcdef", "b" * 3000, "yes", "admin", "json",
)  # fmt: skip
QUERY_NAMES = (
    "format", "table", "after", "below", "moved", "s.contract_type", "s.", "search", "explain",
    "instant", "of", "from", "version", "other", "day", "key", "why", "next_page",
)  # fmt: skip
FIELD_NAMES = (
    "why", "force", "newest_entry", "name", "scope", "days", "version", "other", "months", "lead",
    "day", "key", "next_page",
)  # fmt: skip
# Sending one of them changes what the other tests need, or takes seconds.
CALM_PATHS = ("/static", "/health", "/logout")


def test_no_form_and_no_address_is_an_error_of_ours(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of the file: whatever is sent to any address is answered, and below 500."""
    draw = Random(20260731)
    browser = workshop.browser
    monkeypatch.setattr(service_pages, "doctor", lambda *_, **__: [])
    browser.state.jobs = make_board(lambda *_: None)
    token = browser.token("/service")
    methods = [
        (route.path, method)
        for route in browser.app.routes
        if isinstance(route, APIRoute) and not route.path.startswith(CALM_PATHS)
        for method in sorted(route.methods)
    ]
    assert len(methods) > 30
    for path, method in methods:
        for _ in range(4 if method == "GET" else 3):
            address = re.sub(
                r"\{[^}]*\}", lambda _: quote(draw.choice(HOSTILE_VALUES), safe=""), path
            )
            names = draw.sample(QUERY_NAMES, 3)
            options: dict[str, Any] = {
                "params": [(name, draw.choice(HOSTILE_VALUES)) for name in names]
            }
            if method == "POST":
                fields = {name: draw.choice(HOSTILE_VALUES) for name in FIELD_NAMES}
                fields["form_number"] = draw.choice(("", browser.state.form_numbers.give_out()))
                fields["form_token"] = draw.choice((token, token, token, "", "\0"))
                options["data"] = fields
            answer = browser.send(method, address, **options)
            assert answer.status_code < 500, (method, address, options, answer.text)
            if "text/html" in answer.headers.get("content-type", ""):
                assert "<script>alert" not in answer.text, (method, address, options)
        if method == "POST":
            for body in (b"\xff\xfe=\x00", b"&" * 5000, b"form_token=" + b"%ff" * 100):
                for kind in ("application/x-www-form-urlencoded", "multipart/form-data", "a/b"):
                    answer = browser.send(
                        method, path, content=body, headers={"Content-Type": kind}
                    )
                    assert answer.status_code < 500, (path, body, kind)
