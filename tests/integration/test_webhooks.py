"""Webhooks: what is told, to whom, how often, and what remains of it in the database."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from conftest import Cluster
from standardwebhooks import Webhook
from support.command import called
from support.http_receiver import ReceivedRequest, receiver
from support.states import JANUARY_TRAINED

from streamflow.core.promotion.ledger import Entry
from streamflow.database import connect
from streamflow.database.locks import WEBHOOKS, hold_lock
from streamflow.outbound.http_post import PostAnswer
from streamflow.platform import Platform
from streamflow.steps.lineage.observer import StepReporter
from streamflow.steps.promotion.promote import promote
from streamflow.steps.stages import webhooks as stage_webhooks
from streamflow.steps.stages.announcements import announce_drift, announce_entry
from streamflow.steps.stages.transitions import enter_without_move, reconcile
from streamflow.steps.stages.webhooks import DeliveryReceipt, deliver_webhooks
from streamflow.steps.upkeep.prune import prune
from streamflow.warehouse import ledger
from streamflow.warehouse.ledger import Move
from streamflow.warehouse.monitoring import StoredReport
from streamflow.warehouse.webhooks import list_deliveries

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  # of the standard's examples
NOBODY = "http://127.0.0.1:9/hook"  # the port of the service `discard`, which is off
AT = datetime(2024, 3, 1, tzinfo=UTC)
Opened = Callable[..., Platform]


def opened(open_with: Opened, address: str) -> Platform:
    """Return a platform that sends webhooks to an address, after each step."""
    platform = open_with(webhook_url=address, webhook_secret=SECRET)
    return replace(platform, observer=StepReporter())


def make_entry(seq: int, action: str = "promoted", evidence: str = "") -> Entry:
    return Entry(
        seq=seq, at=AT, who="ana", model="churn", action=action, stage="Production",
        from_version=1, to_version=2, since=AT, forced=False, why="better", evidence_digest="",
        evidence=evidence, previous="0" * 64, hash=f"{seq:064x}",
    )  # fmt: skip


def verified(request: ReceivedRequest) -> dict[str, object]:
    """Return what a webhook says, if the official client accepts its signature."""
    content: dict[str, object] = Webhook(SECRET).verify(request.body, request.headers)
    return content


@pytest.mark.state(JANUARY_TRAINED)
def test_promotion_refusal_and_a_completed_promotion_are_told_once(open_with: Opened) -> None:
    with receiver() as (address, requests):
        platform = opened(open_with, f"{address}/hook")
        promote(platform, 1, to="staging", why="try it")
        (sent,) = requests
        content = verified(sent)
        assert content["type"] == "version.promoted"
        values = content["data"]
        assert isinstance(values, dict)
        entry = ledger.entries(platform.connection)[-1]
        assert (values["version"], values["stage"], values["why"]) == (1, "Staging", "try it")
        assert (values["ledger_entry"], values["ledger_hash"]) == (entry.seq, entry.hash)

        # A process that dies between MLflow and the ledger: the next one enters and tells it.
        move = Move(
            who="ana", model=entry.model, action="promoted", stage="Production", version=1, why=""
        )
        ledger.record_pending_move(platform.connection, move)
        reconcile(platform)
        gates = [{"name": "comparison", "passed": False, "evidence": "AUC is lower"}]
        refusal = replace(move, action="refused", evidence=json.dumps({"gates": gates}))
        enter_without_move(platform, refusal)
        prune(platform)
        prune(platform)
    told = [verified(request) for request in requests]
    assert [content["type"] for content in told] == [
        "version.promoted",
        "version.promoted",
        "version.refused",
    ]
    completed, refused = (content["data"] for content in told[1:])
    assert isinstance(completed, dict)
    assert isinstance(refused, dict)
    assert "completed after an interruption" in completed["why"]
    assert refused["failed_conditions"] == ["comparison: AUC is lower"]
    deliveries = list_deliveries(platform.connection)
    assert [delivery.id for delivery in deliveries] == [
        request.headers["webhook-id"] for request in requests
    ]
    assert {(d.state, d.status, d.attempts) for d in deliveries} == {("delivered", 200, 1)}


def test_what_was_not_received_is_sent_later_with_the_same_id(open_with: Opened) -> None:
    notes: list[str] = []
    away = replace(opened(open_with, NOBODY), notify=notes.append)
    for seq in (1, 2):
        announce_entry(away, make_entry(seq))
    prune(away)
    (note,) = [note for note in notes if "webhook" in note]
    assert note.endswith("(version.promoted): Connection refused; waiting: 2 events")
    first, second = list_deliveries(away.connection)
    assert (first.attempts, first.problem, second.attempts) == (1, "Connection refused", 0)
    with receiver() as (address, requests):
        back = opened(open_with, address)
        # The pause of the first event is not over.
        assert deliver_webhooks(back) == DeliveryReceipt(delivered=1, failed=(), waiting=1)
        back.connection.execute(
            "INSERT INTO streamflow.webhook_attempt (event_id, number, at, receiver, problem)"
            " VALUES (%s, 2, now() - interval '6 minutes', '', 'timed out')",
            [first.id],
        )
        assert deliver_webhooks(back) == DeliveryReceipt(delivered=1, failed=(), waiting=0)
    assert [request.headers["webhook-id"] for request in requests] == [second.id, first.id]
    assert verified(requests[1])["data"] == json.loads(first.body)["data"]


@pytest.mark.parametrize(
    ("status", "state"), [(307, "waiting"), (500, "waiting"), (410, "given up")]
)
def test_an_answer_that_is_no_success_is_recorded(
    open_with: Opened, status: int, state: str
) -> None:
    with receiver(status=status) as (address, requests):
        platform = opened(open_with, address)
        announce_entry(platform, make_entry(1))
        announce_entry(platform, make_entry(2))
        receipt = deliver_webhooks(platform)
    assert len(requests) == 1, "a redirect is not followed, and the round ends"
    assert receipt.failed[0].endswith(f": HTTP status {status}")
    first, second = list_deliveries(platform.connection)
    assert (first.state, first.status, second.state) == (state, status, "waiting")


def test_an_event_that_is_refused_does_not_hold_up_the_next_one(open_with: Opened) -> None:
    with receiver(status=400) as (address, requests):
        platform = opened(open_with, address)
        announce_entry(platform, make_entry(1))
        announce_entry(platform, make_entry(2))
        receipt = deliver_webhooks(platform)
    assert len(requests) == 2
    assert [sentence.rpartition(": ")[2] for sentence in receipt.failed] == ["HTTP status 400"] * 2
    assert receipt.waiting == 2


def test_two_processes_do_not_send_the_same_event(open_with: Opened) -> None:
    with receiver() as (address, requests):
        platform = opened(open_with, address)
        announce_entry(platform, make_entry(1))
        with (
            connect(platform.address, autocommit=True) as other,
            hold_lock(other, WEBHOOKS),
        ):
            assert deliver_webhooks(platform).waiting == 1
        assert not requests
        assert deliver_webhooks(platform).delivered == 1


def test_an_event_that_comes_during_a_round_is_sent_in_it(
    open_with: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = opened(open_with, NOBODY)
    announce_entry(platform, make_entry(1))

    def accept(*_: object, **__: object) -> PostAnswer:
        announce_entry(platform, make_entry(2))  # by a command that finds the lock taken
        return PostAnswer(status=200, problem="")

    monkeypatch.setattr(stage_webhooks, "post", accept)
    assert deliver_webhooks(platform) == DeliveryReceipt(delivered=2, failed=(), waiting=0)


def test_an_event_is_there_only_with_what_it_tells_of(open_with: Opened) -> None:
    platform = opened(open_with, NOBODY)
    report = StoredReport(
        id=7, at=AT, as_of=AT, model="churn", version=2, mlflow_run_id="r1",
        evidence_digest="e" * 64, fires=True, verdict="feature drift", reasons=("usage fell",),
    )  # fmt: skip
    with suppress(ZeroDivisionError), platform.connection.transaction():
        announce_drift(platform, report)
        raise ZeroDivisionError
    assert not list_deliveries(platform.connection)
    announce_drift(platform, replace(report, fires=False))
    announce_entry(platform, make_entry(1, action="repaired"))
    announce_entry(open_with(), make_entry(1))  # nobody is to be told
    assert not list_deliveries(platform.connection)
    announce_drift(platform, report)
    announce_drift(platform, report)
    (delivery,) = list_deliveries(platform.connection)
    assert json.loads(delivery.body) == {
        "type": "drift.found",
        "timestamp": "2024-03-01T00:00:00+00:00",
        "data": {
            "model": "churn",
            "version": 2,
            "as_of": "2024-03-01",
            "verdict": "feature drift",
            "reasons": ["usage fell"],
            "report": 7,
            "evidence_digest": "e" * 64,
            "mlflow_run_id": "r1",
        },
    }
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="webhook_event"):
        platform.connection.execute("DELETE FROM streamflow.webhook_event")


def test_the_command_shows_and_delivers(
    cluster: Cluster, installation: str, open_with: Opened, tmp_path: Path
) -> None:
    announce_entry(opened(open_with, NOBODY), make_entry(1))
    variables = cluster.variables(installation, tmp_path / "home")
    with receiver() as (address, requests):
        extra = {
            **variables,
            "STREAMFLOW_WEBHOOK_URL": f"{address}/s3cret",
            "STREAMFLOW_WEBHOOK_SECRET": SECRET,
        }
        delivered = called(tmp_path / "home", "webhooks", "deliver", extra=extra)
    assert len(requests) == 1
    assert delivered.stdout == "[OK] delivered 1 event; 0 waiting\n"
    listed = json.loads(called(tmp_path / "home", "webhooks", "--json", extra=extra).stdout)
    assert [(event["state"], event["attempts"], event["due_at"]) for event in listed] == [
        ("delivered", 1, None)
    ]
    announce_entry(opened(open_with, NOBODY), make_entry(2))
    away = {**extra, "STREAMFLOW_WEBHOOK_URL": NOBODY}
    failed = called(tmp_path / "home", "webhooks", "deliver", extra=away)
    assert failed.returncode == 1
    assert failed.stdout.endswith("[FAILED] delivered 0 events; 1 waiting\n")
    unset = called(tmp_path / "home", "webhooks", "deliver", extra=variables)
    assert "the setting webhook_url is not set: nothing is sent" in unset.stderr
    shown = called(tmp_path / "home", "webhooks", extra=extra)
    assert "version.promoted" in shown.stdout
    assert "delivered" in shown.stdout
    for text in (*delivered, *shown):
        assert "s3cret" not in str(text)
        assert SECRET not in str(text)
