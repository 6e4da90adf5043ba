"""When an event of a webhook is due again, and when it is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from streamflow.warehouse.webhooks import DELAYS_S, MAX_ATTEMPTS, WebhookDelivery

AT = datetime(2024, 3, 1, tzinfo=UTC)


def make_delivery(attempts: int, status: int | None, problem: str = "") -> WebhookDelivery:
    return WebhookDelivery(
        id="msg_1",
        at=AT,
        type="version.promoted",
        body="{}",
        attempts=attempts,
        attempted_at=AT + timedelta(hours=1) if attempts else None,
        status=status,
        problem=problem,
    )


def test_a_new_event_is_due_at_once() -> None:
    delivery = make_delivery(0, None)
    assert (delivery.state, delivery.due_at) == ("waiting", AT)


@pytest.mark.parametrize("attempts", range(1, MAX_ATTEMPTS))
@pytest.mark.parametrize(("status", "problem"), [(None, "timed out"), (500, "HTTP status 500")])
def test_each_pause_is_longer_than_the_one_before(
    attempts: int, status: int | None, problem: str
) -> None:
    delivery = make_delivery(attempts, status, problem)
    assert delivery.state == "waiting"
    assert delivery.due_at == AT + timedelta(hours=1, seconds=DELAYS_S[attempts - 1])
    assert list(DELAYS_S) == sorted(set(DELAYS_S))


@pytest.mark.parametrize(
    ("delivery", "state"),
    [
        (make_delivery(1, 204), "delivered"),
        (make_delivery(MAX_ATTEMPTS, 200), "delivered"),
        (make_delivery(MAX_ATTEMPTS, 500, "HTTP status 500"), "given up"),
        (make_delivery(1, 410, "HTTP status 410"), "given up"),
    ],
)
def test_what_is_over_is_not_due(delivery: WebhookDelivery, state: str) -> None:
    assert (delivery.state, delivery.due_at) == (state, None)
