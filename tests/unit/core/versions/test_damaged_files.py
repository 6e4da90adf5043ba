"""The files of a version come from a store or an export: what is no such file is a ValueError."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from streamflow.core.training.background import build_background, parse_background
from streamflow.core.training.calibrator import Calibrator
from streamflow.core.training.decision import Decision, Economics, parse_decision
from streamflow.core.training.default_costs import DefaultCost, parse_costs, to_bytes
from streamflow.core.training.honesty import HonestyReport, check_label_period, parse_honesty
from streamflow.core.training.stored_requests import Probes, parse_probes
from streamflow.core.training.training_set import Source
from streamflow.core.versions.old_passport import parse_old_passport
from streamflow.core.versions.passport import Passport, parse_passport
from streamflow.core.versions.version_files import recorded_digests

Path = tuple[str | int, ...]
DAY = date(2024, 1, 31)
INSTANT = datetime(2024, 1, 31, tzinfo=UTC)
DECISION = Decision(
    threshold=0.5,
    rule="set",
    calibrator=Calibrator(raw=(0.0, 1.0), calibrated=(0.1, 0.3)),
    economics=Economics(kept_value=1, offer_cost=1, offer_success=0.5),
)
REPORT = HonestyReport(
    as_of=DAY,
    label_as_of=DAY,
    label_lead=0,
    previous=DAY,
    rows=9,
    findings=tuple(check_label_period(INSTANT, INSTANT)),
)
COST = DefaultCost(
    of="fee",
    features={"fee": 1},
    auc=0.5,
    auc_change=0,
    average_precision=0.5,
    average_precision_change=0,
    brier=0.2,
    brier_change=0,
    flips=0,
)
SOURCE = Source(
    table="users", as_of=INSTANT, revision=1, known_at=INSTANT, rows=3, digest="", columns={}
)
PASSPORT = Passport(
    as_of=INSTANT,
    label_as_of=INSTANT,
    label_lead=0,
    known_at=INSTANT,
    sources=(SOURCE,),
    features={"service": "x"},
    code={},
    environment={},
    configuration={},
    result={"metrics": {"auc": 0.5}, "model": {"file": "ab"}, "decision": {"digest": "cd"}},
)
DATES = {"as_of": "2024-01-31", "label_as_of": "2024-01-31", "known_at": "2024-01-31"}
OLD = {
    "schema": 2,
    "levels": {"data": {**DATES, "label_lead": 0}, "features": {}},
    "result": {"model": "x", "metrics": {"threshold": 0.5}},
}
FRAME = pl.DataFrame({"fee": [1.0, None], "net": ["DSL", "No"]})
PROBES = Probes(features=("fee",), rows=((1.5,),), probabilities=(0.25,))
FILES: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "background": (parse_background, build_background(FRAME, ["net"]).content),
    "decision": (parse_decision, DECISION.content),
    "default costs": (parse_costs, to_bytes([COST])),
    "honesty": (parse_honesty, REPORT.content),
    "old passport": (parse_old_passport, json.dumps(OLD).encode()),
    "passport": (parse_passport, json.dumps(PASSPORT.values).encode()),
    "probes": (parse_probes, PROBES.content),
}
WRONG_VALUES = (None, True, -1, 1.5, "x", [], {}, [1], {"a": 1}, 10**400)


def _list_paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each value within a value of JSON, also of the whole."""
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from _list_paths(value[name], (*path, name))
    elif isinstance(value, list):
        for number, element in enumerate(value):
            yield from _list_paths(element, (*path, number))


def _replace(value: Any, path: Path, new: object) -> Any:
    if not path:
        return new
    changed = copy.deepcopy(value)
    *parents, last = path
    parent = changed
    for step in parents:
        parent = parent[step]
    parent[last] = new
    return changed


@pytest.mark.parametrize("name", FILES)
def test_a_file_with_a_wrong_value_is_read_or_refused(name: str) -> None:
    parse, content = FILES[name]
    parse(content)
    values = json.loads(content)
    refused = 0
    for path in _list_paths(values):
        for wrong_value in WRONG_VALUES:
            changed = json.dumps(_replace(values, path, wrong_value)).encode()
            try:
                parse(changed)
            except ValueError:
                refused += 1
    assert refused > 0


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[" * 100_000])
def test_what_is_no_json_is_refused(name: str, content: bytes) -> None:
    parse, _ = FILES[name]
    with pytest.raises(ValueError, match=r"."):
        parse(content)


def test_digests_are_read_from_a_result_of_any_form() -> None:
    recorded = {file.name: digest for file, digest in recorded_digests(PASSPORT.result).items()}
    assert recorded == {"model.skops": "ab", "decision.json": "cd"}
    for wrong_value in WRONG_VALUES:
        result = {**PASSPORT.result, "model": wrong_value}
        assert [*recorded_digests(result).values()] == ["cd"]
