"""The command on webhooks: webhooks."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamflow.cli.context import format_time, invocation, print_table, show
from streamflow.cli.options import JsonFlag
from streamflow.cli.printable import one_line
from streamflow.core.data.counts import count_of

if TYPE_CHECKING:
    from streamflow.steps.stages.webhooks import DeliveryReceipt
    from streamflow.warehouse.webhooks import WebhookDelivery

HEADER = ("event", "at (UTC)", "what", "state", "attempts", "last answer", "next (UTC)")


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("webhooks")(webhooks)


def webhooks(
    context: typer.Context,
    action: Annotated[
        Literal["show", "deliver"],
        typer.Argument(help="show lists the events. deliver sends those that are due."),
    ] = "show",
    as_json: JsonFlag = False,
) -> None:
    """Show the events of promotions, refusals and drift, or deliver them.

    The settings webhook_url and webhook_secret say who receives them. Commands deliver new events
    themselves, and 'reconcile' sends again what was not received. If the receiver does not take
    an event, the exit code of 'deliver' is 1.

    Example: streamflow webhooks

    Example: streamflow webhooks deliver
    """
    from streamflow.steps.stages.webhooks import deliver_webhooks
    from streamflow.warehouse.webhooks import list_deliveries

    with invocation(context).platform() as platform:
        if action == "deliver":
            if platform.settings.webhook_url is None:
                platform.notify("the setting webhook_url is not set: nothing is sent")
            receipt = deliver_webhooks(platform)
            show(receipt, as_json=as_json, text=_format_receipt)
            raise typer.Exit(int(bool(receipt.failed)))
        deliveries = list_deliveries(platform.connection)
    if as_json:
        show([_list_values(delivery) for delivery in deliveries], as_json=True, text=str)
        return
    print_table("Webhooks", HEADER, [_make_row(delivery) for delivery in deliveries])


def _list_values(delivery: WebhookDelivery) -> dict[str, object]:
    """Return a delivery with what the table shows of it, too: its state and the next attempt."""
    return {**vars(delivery), "state": delivery.state, "due_at": delivery.due_at}


def _make_row(delivery: WebhookDelivery) -> tuple[object, ...]:
    due_at = delivery.due_at
    return (
        delivery.id,
        format_time(delivery.at.astimezone(UTC)),
        delivery.type,
        delivery.state,
        delivery.attempts,
        one_line(delivery.problem) or delivery.status,
        format_time(due_at.astimezone(UTC)) if due_at else "",
    )


def _format_receipt(receipt: DeliveryReceipt) -> str:
    lines = [f"  not delivered: {sentence}" for sentence in receipt.failed]
    delivered = count_of(receipt.delivered, "event")
    verdict = "[FAILED]" if receipt.failed else "[OK]"
    lines.append(f"{verdict} delivered {delivered}; {receipt.waiting} waiting")
    return "\n".join(lines)
