"""The metrics and the log of the API, read as Prometheus and a log shipper read them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from support.processes import wait_for


class Raw(NamedTuple):
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    text: str


def call(
    base: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Raw:
    """One request, also one that no well-behaved client would send."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
    try:
        connection.request(
            method, path, body, {"Content-Type": "application/json", **(headers or {})}
        )
        answer = connection.getresponse()
        return Raw(
            answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
        )
    finally:
        connection.close()


def numbers(base: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Sample -> values of its labels in the order of their names -> value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(call(base, "GET", "/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[
                tuple(v for _, v in sorted(sample.labels.items()))
            ] = sample.value
    return found


def log_lines(log: Path) -> list[dict[str, Any]]:
    """The JSON lines of a log; what else is in it was progress on stderr."""
    return [
        json.loads(line)
        for line in log.read_text(encoding="utf-8").splitlines()
        if line.startswith("{")
    ]


def line_of(log: Path, request_id: str) -> dict[str, Any]:
    """The one line about a request.

    It is written after the answer is sent, so that a reader may have to wait for it.
    """
    assert wait_for(lambda: f'"request_id": "{request_id}"' in log.read_text(encoding="utf-8"))
    (line,) = [line for line in log_lines(log) if line.get("request_id") == request_id]
    return line
