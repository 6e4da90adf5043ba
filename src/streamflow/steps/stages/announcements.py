"""Enter what webhooks tell of: promotions, refusals and drift.

An event is entered in the transaction of what it tells of, so that there is neither one without
the other. It is delivered later, by `deliver_webhooks`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from streamflow.core.data.json_text import canonical_json
from streamflow.core.promotion.ledger import PRODUCTION, Entry
from streamflow.platform import Platform
from streamflow.warehouse.webhooks import WebhookEvent, add_event

if TYPE_CHECKING:
    from streamflow.warehouse.monitoring import StoredReport

# Action in the ledger -> type of the event. Nothing is told of the remaining actions.
EVENT_TYPES = {
    "promoted": "version.promoted",
    "rolled back": "version.rolled_back",
    "outside": "version.moved_outside",
    "refused": "version.refused",
}
DRIFT = "drift.found"


def announce_entry(platform: Platform, entry: Entry) -> None:
    """Enter the event of a new entry of the ledger, if a receiver of webhooks is set."""
    event_type = EVENT_TYPES.get(entry.action)
    if event_type is None or platform.settings.webhook_url is None:
        return
    if entry.action == "outside" and entry.stage != PRODUCTION:
        # A version that comes into Production leaves Staging: this is entered, and no news.
        return
    values = {
        "model": entry.model,
        "stage": entry.stage,
        "version": entry.to_version,
        "replaced": entry.from_version,
        "since": entry.since.isoformat(),
        "who": entry.who,
        "why": entry.why,
        "forced": entry.forced,
        "failed_conditions": _list_failed_conditions(entry),
        "ledger_entry": entry.seq,
        "ledger_hash": entry.hash,
        "evidence_digest": entry.evidence_digest,
    }
    add_event(platform.connection, _make_event(event_type, entry.hash, entry.at, values))


def announce_drift(platform: Platform, report: StoredReport) -> None:
    """Enter the event of a new report that found drift, if a receiver of webhooks is set."""
    if not report.fires or platform.settings.webhook_url is None:
        return
    values = {
        "model": report.model,
        "version": report.version,
        "as_of": f"{report.as_of:%Y-%m-%d}",
        "verdict": report.verdict,
        "reasons": list(report.reasons),
        "report": report.id,
        "evidence_digest": report.evidence_digest,
        "mlflow_run_id": report.mlflow_run_id,
    }
    add_event(platform.connection, _make_event(DRIFT, report.evidence_digest, report.at, values))


def _list_failed_conditions(entry: Entry) -> list[str]:
    """Return what the gate was not satisfied with: each condition with its evidence."""
    if not entry.evidence:
        return []
    conditions = json.loads(entry.evidence)["gates"]
    return [f"{gate['name']}: {gate['evidence']}" for gate in conditions if not gate["passed"]]


def _make_event(
    event_type: str, digest: str, at: datetime, values: Mapping[str, Any]
) -> WebhookEvent:
    """Return an event. Its id follows from the digest of what happened."""
    identity = sha256(f"{event_type} {digest}".encode()).hexdigest()
    body = {"type": event_type, "timestamp": at.isoformat(), "data": values}
    return WebhookEvent(id=f"msg_{identity[:32]}", type=event_type, body=canonical_json(body))
