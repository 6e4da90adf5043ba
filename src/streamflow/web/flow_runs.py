"""Read the runs of flows from Prefect's server over HTTP, without a package of Prefect."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from typing import Any
from uuid import UUID

from streamflow.web.network_errors import describe_network_error

TIMEOUT_S = 5
TAG = "streamflow"  # of every run of our flows
MAX_ANSWER_BYTES = 4_000_000


class FlowServerSilent(Exception):
    """Prefect's server does not answer, or not as expected."""


@dataclass(frozen=True, kw_only=True)
class FlowRun:
    """One run of a flow. seconds: how long it ran, or has been running."""

    id: str
    flow: str
    name: str
    state: str
    message: str
    started_at: datetime | None
    ended_at: datetime | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class FlowLogLine:
    """One line of the log of a run."""

    at: datetime
    level: int
    text: str


@dataclass(frozen=True, kw_only=True)
class FlowRunRecord:
    """One run of a flow with the newest lines of its log, the oldest of them first."""

    run: FlowRun
    lines: tuple[FlowLogLine, ...]


def list_flow_runs(server: str, *, limit: int) -> list[FlowRun]:
    """List the newest runs of our flows.

    Args:
        server: the address of the API of Prefect's server
        limit: how many runs at most

    Raises:
        FlowServerSilent: the server does not answer
    """
    query = {
        "sort": "EXPECTED_START_TIME_DESC",
        "limit": limit,
        "flow_runs": {"tags": {"all_": [TAG]}},
    }
    return _make_runs(server, _ask(server, "/flow_runs/filter", query))


def read_flow_run(server: str, run_id: UUID, *, limit: int) -> FlowRunRecord | None:
    """Read one run with the newest lines of its log; None: our flows have no such run.

    Raises:
        FlowServerSilent: the server does not answer
    """
    # A server can have the runs of other people, too.
    ours = {"id": {"any_": [str(run_id)]}, "tags": {"all_": [TAG]}}
    query = {"limit": 1, "flow_runs": ours}
    runs = _make_runs(server, _ask(server, "/flow_runs/filter", query))
    if not runs:
        return None
    log_query = {
        "sort": "TIMESTAMP_DESC",
        "limit": limit,
        "logs": {"flow_run_id": {"any_": [str(run_id)]}},
    }
    lines = [
        FlowLogLine(
            at=datetime.fromisoformat(line["timestamp"]),
            level=int(line["level"]),
            text=str(line["message"]),
        )
        for line in _ask(server, "/logs/filter", log_query)
    ]
    return FlowRunRecord(run=runs[0], lines=tuple(reversed(lines)))


def hide_login(server: str) -> str:
    """Return an address as people may see it, without a user and a password.

    >>> hide_login("https://ada:secret@prefect.example/api")
    'https://prefect.example/api'
    """
    scheme, separator, location = server.partition("://")
    return f"{scheme}{separator}{location.rpartition('@')[2]}"


def _make_runs(server: str, rows: list[Mapping[str, Any]]) -> list[FlowRun]:
    flow_ids = sorted({str(row["flow_id"]) for row in rows})
    names: dict[str, str] = {}
    if flow_ids:
        query = {"flows": {"id": {"any_": flow_ids}}}
        names = {flow["id"]: flow["name"] for flow in _ask(server, "/flows/filter", query)}
    return [_make_run(row, names) for row in rows]


def _make_run(row: Mapping[str, Any], names: Mapping[str, str]) -> FlowRun:
    state = row.get("state") or {}
    return FlowRun(
        id=str(UUID(row["id"])),
        flow=names.get(str(row["flow_id"]), ""),
        name=str(row["name"]),
        state=str(row.get("state_name") or ""),
        message=str(state.get("message") or ""),
        started_at=_parse_instant(row.get("start_time")),
        ended_at=_parse_instant(row.get("end_time")),
        seconds=float(row.get("estimated_run_time") or row.get("total_run_time") or 0.0),
    )


def _parse_instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _ask(server: str, path: str, query: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Send a query to Prefect's server, and return the list that it answers.

    Raises:
        FlowServerSilent: there is no such answer
    """
    # The message of urllib would quote the password.
    if hide_login(server) != server:
        raise FlowServerSilent("the console cannot log in with a user and a password")
    request = urllib.request.Request(  # noqa: S310  # the address that the installation names
        f"{server.rstrip('/')}{path}",
        data=json.dumps(query).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            rows = json.loads(answer.read(MAX_ANSWER_BYTES))
    except (OSError, HTTPException, ValueError) as exc:
        raise FlowServerSilent(describe_network_error(exc)) from exc
    if not isinstance(rows, list):
        raise FlowServerSilent("the answer is no list")
    return rows
