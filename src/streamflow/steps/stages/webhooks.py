"""Deliver the events that wait for the receiver of webhooks, signed and with back-off."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from streamflow.core.data.counts import count_of
from streamflow.database.locks import WEBHOOKS, try_to_hold_lock
from streamflow.outbound.http_post import PostAnswer, name_receiver, post
from streamflow.outbound.webhook_signature import make_headers
from streamflow.platform import Platform
from streamflow.settings import read_webhook_key
from streamflow.warehouse import webhooks
from streamflow.warehouse.webhooks import WebhookDelivery

LIMIT_S = 5.0  # the longest wait for the answer to one event
ROUND_S = 10.0  # no event is sent later than this after the begin of a round
# Answers that refuse this event only: its content or its size. The receiver takes different ones.
REFUSALS_OF_ONE_EVENT = (400, 413, 422)


@dataclass(frozen=True, kw_only=True)
class DeliveryReceipt:
    """What came of one round of deliveries.

    delivered  how many events the receiver took
    failed     for each event that it did not take: id, type and problem as a sentence
    waiting    how many events wait for a later attempt
    """

    delivered: int
    failed: tuple[str, ...]
    waiting: int


def deliver_webhooks(
    platform: Platform, monotonic: Callable[[], float] = time.monotonic
) -> DeliveryReceipt:
    """Send each event whose attempt is due, the oldest first, and record what came of it.

    A process that dies before an attempt is recorded makes it again: a receiver sees the same id
    twice. After an attempt that fails the round ends, so that a receiver that is away costs a
    command LIMIT_S at most. An event that the receiver refuses does not hold up those after it.
    Nothing is sent while another process delivers.
    """
    delivered = 0
    failed: list[str] = []
    if platform.settings.webhook_url is not None:
        with try_to_hold_lock(platform.connection, WEBHOOKS) as is_held:
            end = monotonic() + ROUND_S
            # A command that finds the lock taken leaves its event to this process, so the list is
            # read again after each attempt.
            while is_held and monotonic() <= end and (due := _list_due(platform)):
                delivery = due[0]
                answer = _attempt(platform, delivery)
                if answer.is_accepted:
                    delivered += 1
                    continue
                failed.append(f"{delivery.id} ({delivery.type}): {answer.problem}")
                if answer.status not in REFUSALS_OF_ONE_EVENT:
                    break
    deliveries = webhooks.list_deliveries(platform.connection, waiting=True)
    waiting = sum(delivery.state == "waiting" for delivery in deliveries)
    return DeliveryReceipt(delivered=delivered, failed=tuple(failed), waiting=waiting)


def deliver_after_step(platform: Platform) -> None:
    """Deliver what a step announced, and say in one line what the receiver did not take."""
    if platform.settings.webhook_url is None:
        return
    receipt = deliver_webhooks(platform)
    for sentence in receipt.failed:
        events = count_of(receipt.waiting, "event")
        platform.notify(f"webhook not delivered: {sentence}; waiting: {events}")


def _list_due(platform: Platform) -> list[WebhookDelivery]:
    now = webhooks.read_clock(platform.connection)
    deliveries = webhooks.list_deliveries(platform.connection, waiting=True)
    return [
        delivery
        for delivery in deliveries
        if delivery.due_at is not None and delivery.due_at <= now
    ]


def _attempt(platform: Platform, delivery: WebhookDelivery) -> PostAnswer:
    """Send one event, and record the answer."""
    settings = platform.settings
    assert settings.webhook_url is not None
    assert settings.webhook_secret is not None  # the settings are refused otherwise
    url = settings.webhook_url.get_secret_value()
    key = read_webhook_key(settings.webhook_secret.get_secret_value())
    assert key is not None
    body = delivery.body.encode()
    timestamp = int(webhooks.read_clock(platform.connection).timestamp())
    headers = make_headers(key, delivery.id, timestamp, body)
    answer = post(url, body, headers, limit_s=LIMIT_S)
    webhooks.record_attempt(
        platform.connection,
        delivery,
        receiver=name_receiver(url),
        status=answer.status,
        problem=answer.problem,
    )
    return answer
