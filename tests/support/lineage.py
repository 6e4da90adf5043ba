"""Read the OpenLineage events that a test wrote, and check them by the official client.

With the folder `spec` of a clone of github.com/OpenLineage/OpenLineage in the variable
STREAMFLOW_OPENLINEAGE_SPEC, each event is checked by the JSON schemas of the standard, too.
"""

from __future__ import annotations

import inspect
import json
import os
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client import event_v2, facet_v2
from openlineage.client.generated import base
from openlineage.client.serde import Serde
from referencing import Registry, Resource

Event = dict[str, Any]
OWN_SCHEMAS = Path(__file__).parents[2] / "docs" / "lineage" / "1-0-0"
OWN_ADDRESS = "https://streamflow.invalid/docs/lineage/1-0-0/"
SPECIFICATION = os.environ.get("STREAMFLOW_OPENLINEAGE_SPEC", "")
BASE = "https://openlineage.io/spec/2-0-2/OpenLineage.json"


def read_events(file: Path) -> list[Event]:
    """Return the events of a file, each checked."""
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for event in events:
        check_event(event)
    return events


def runs_of(events: list[Event], step: str) -> list[list[Event]]:
    """Return the events of each run of a step, in order."""
    runs = defaultdict(list)
    for event in events:
        if event["job"]["name"].partition(".")[2] == step:
            runs[event["run"]["runId"]].append(event)
    return list(runs.values())


def versions(datasets: list[Event]) -> dict[str, set[str]]:
    """Return the last part of the name of each dataset -> its versions."""
    found = defaultdict(set)
    for dataset in datasets:
        name = dataset["name"].rpartition("/")[2].split(".", 1)[-1]
        found[name].add(dataset["facets"]["version"]["datasetVersion"])
    return dict(found)


def check_event(event: Event) -> None:
    """Fail unless the official client writes the same event, and every schema accepts it."""
    written = Serde.to_dict(_by_official_client(event))
    assert written == Serde.remove_nulls_and_enums(_without_own(event))
    for facets in _facets_of(event):
        for facet in facets.values():
            _check_schema(facet, facet["_schemaURL"])
    if SPECIFICATION:
        _check_schema(event, event["schemaURL"])


def _check_schema(value: Event, address: str) -> None:
    if not (SPECIFICATION or address.startswith(OWN_ADDRESS)):
        return
    schema = {"$ref": address}
    validator = Draft202012Validator(schema, registry=_registry(), format_checker=FormatChecker())
    problems = [error.message for error in validator.iter_errors(value)]
    assert not problems, (address, problems)


@cache
def _registry() -> Registry[Any]:
    """Return the schemas of our own facets, and those of the standard where they are at hand."""
    files = list(OWN_SCHEMAS.glob("*.json"))
    if SPECIFICATION:
        files += [Path(SPECIFICATION) / "OpenLineage.json"]
        files += (Path(SPECIFICATION) / "facets").glob("*.json")
    contents = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    if not SPECIFICATION:
        facet = {"type": "object", "required": ["_producer", "_schemaURL"]}
        contents.append({"$id": BASE, "$defs": {"RunFacet": facet, "DatasetFacet": facet}})
    resources = []
    for content in contents:
        content.setdefault("$schema", "https://json-schema.org/draft/2020-12/schema")
        resources.append((content["$id"], Resource.from_contents(content)))
    return Registry().with_resources(resources)


def _facets_of(event: Event) -> list[dict[str, Event]]:
    """Return each mapping of facets of an event."""
    groups = [event["run"]["facets"], event["job"]["facets"]]
    for dataset in [*event["inputs"], *event["outputs"]]:
        groups += [dataset[name] for name in dataset if name.endswith(("facets", "Facets"))]
    return groups


def _without_own(event: Event) -> Event:
    """Return an event without our own facets, which the official client has no class for."""
    copy: Event = json.loads(json.dumps(event))
    for facets in _facets_of(copy):
        for name in [name for name in facets if name.startswith("streamflow_")]:
            del facets[name]
    return copy


@cache
def _facet_classes() -> dict[str, type]:
    """Return address of the schema -> class of the official client."""
    classes = {}
    for module in vars(facet_v2).values():
        if inspect.ismodule(module):
            for value in vars(module).values():
                if inspect.isclass(value) and issubclass(value, base.BaseFacet):
                    classes[value._get_schema()] = value
    return classes


def _by_official_client(event: Event) -> event_v2.RunEvent:
    """Make an event of the official client with the same values. It refuses unknown names."""
    plain = _without_own(event)
    return event_v2.RunEvent(
        eventType=event_v2.RunState[plain["eventType"]],
        eventTime=plain["eventTime"],
        run=event_v2.Run(plain["run"]["runId"], _make_facets(plain["run"]["facets"])),
        job=event_v2.Job(
            plain["job"]["namespace"], plain["job"]["name"], _make_facets(plain["job"]["facets"])
        ),
        inputs=[_make_dataset(event_v2.InputDataset, values) for values in plain["inputs"]],
        outputs=[_make_dataset(event_v2.OutputDataset, values) for values in plain["outputs"]],
        producer=plain["producer"],
    )


def _make_dataset(dataset_class: Any, values: Event) -> Any:
    more = {
        name: _make_facets(facets) if name.lower().endswith("facets") else facets
        for name, facets in values.items()
    }
    return dataset_class(**more)


def _make_facets(facets: dict[str, Event]) -> dict[str, Any]:
    made = {}
    for name, facet in facets.items():
        values = {key: value for key, value in facet.items() if not key.startswith("_")}
        facet_class = _facet_classes()[facet["_schemaURL"]]
        made[name] = facet_class(producer=facet["_producer"], **values)
    return made
