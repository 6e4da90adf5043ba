"""The OpenAPI document, as it is built for a catalog."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient

from streamflow.api.app import create_app
from streamflow.api.endpoint_scopes import OPEN_PATHS
from streamflow.api.inference_schema import build_inference_request
from streamflow.api.operations import MEANINGS, TAGS
from streamflow.api.schema import describe_mistakes
from streamflow.api.state import ServingState
from streamflow.api.strict_json import MAX_CONTAINERS, loads
from streamflow.catalog import DEFAULT_PATH, Catalog, load_catalog
from streamflow.settings import load_settings
from streamflow.web.active_keys import KeyRing

# Generated clients call their functions like this, so no id may change.
OPERATIONS = {
    "predict": ("post", "/predict"),
    "predict_batch": ("post", "/predict/batch"),
    "get_features": ("get", "/features/{user_id}"),
    "explain": ("post", "/explain"),
    "get_health": ("get", "/health"),
    "get_readiness": ("get", "/ready"),
    "get_model": ("get", "/model"),
    "get_inference_server": ("get", "/v2"),
    "get_inference_live": ("get", "/v2/health/live"),
    "get_inference_ready": ("get", "/v2/health/ready"),
    "get_inference_model": ("get", "/v2/models/{model_name}"),
    "get_inference_model_ready": ("get", "/v2/models/{model_name}/ready"),
    "infer": ("post", "/v2/models/{model_name}/infer"),
    "invoke": ("post", "/invocations"),
    "ping": ("get", "/ping"),
    "get_mlflow_version": ("get", "/version"),
}


def document(catalog: Catalog | None = None, *, keys_needed: bool = False) -> dict[str, Any]:
    platform = SimpleNamespace(catalog=catalog or load_catalog(None), settings=load_settings())
    state = cast("ServingState", SimpleNamespace(platform=platform, metrics=None))
    keys = cast("KeyRing", object()) if keys_needed else None
    app = create_app(
        state, structlog.get_logger(), closing=ExitStack(), host="127.0.0.1", keys=keys
    )
    assert app.openapi() is app.openapi()  # it is built once
    return app.openapi()


def operations(written: dict[str, Any]) -> dict[str, Any]:
    """Operation id -> operation, with its method and its path."""
    return {
        operation["operationId"]: {**operation, "place": (method, path)}
        for path, methods in written["paths"].items()
        for method, operation in methods.items()
    }


def test_every_operation_has_its_id_its_group_and_its_own_statuses() -> None:
    written = document()
    assert {name: found["place"] for name, found in operations(written).items()} == OPERATIONS
    groups = {tag["name"] for tag in TAGS}
    for name, operation in operations(written).items():
        assert len(operation["tags"]) == 1, name
        assert operation["tags"][0] in groups, name
        assert operation["summary"], name
        assert operation["description"], name
        assert set(operation["responses"]) <= {"200", *map(str, MEANINGS)}, name
        for status, answer in operation["responses"].items():
            (form,) = answer["content"]
            assert form == "application/json" or status == "200", (name, status)
            is_refusal = "Refusal" in str(answer["content"])
            assert is_refusal == (status != "200" and answer["description"] != "not ready")
        # An operation that asks for a key refuses every request while the keys are unknown.
        if "401" in operation["responses"]:
            assert "Refusal" in str(operation["responses"]["503"]), name
    assert "ValidationError" not in str(written), "this is FastAPI's answer, not ours"


def test_every_field_is_described_and_features_by_the_catalog() -> None:
    schemas = document()["components"]["schemas"]
    for name, schema in schemas.items():
        assert schema["description"], name
        for field, described in schema.get("properties", {}).items():
            assert described.get("description"), (name, field)
    for name in ("FeatureValues", "UsedFeatures"):
        fields = schemas[name]["properties"]
        assert list(fields) == [feature.name for feature in load_catalog(None).features]
        assert fields["months_active"]["description"] == (
            "months as a customer; at least 0; at most 1200; of the view subs_profile_fv"
        )
        assert "'Fiber optic', 'DSL', 'No'" in fields["net_service"]["description"]
    assert "required" not in schemas["UsedFeatures"], "an older version may read fewer features"


def test_keys_are_described_whether_or_not_they_are_needed() -> None:
    needed = [{"bearer": []}, {"header": []}]
    for keys_needed in (True, False):
        written = document(keys_needed=keys_needed)
        assert set(written["components"]["securitySchemes"]) == {"bearer", "header"}
        for operation in operations(written).values():
            guarded = needed if keys_needed else [*needed, {}]
            is_open = operation["place"][1] in OPEN_PATHS
            assert operation["security"] == ([] if is_open else guarded)
            assert ("401" in operation["responses"]) != is_open


def test_examples_are_of_the_catalog_that_comes_with_streamflow(tmp_path: Path) -> None:
    """Examples with the features of a different catalog would be wrong."""
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    own = tmp_path / "catalog.toml"
    own.write_text(text.replace('name = "user"', 'name = "member"'), encoding="utf-8")
    assert "7590-VHVEG" in str(document())
    other = document(load_catalog(own))
    assert "example" not in str(other)
    described = other["components"]["schemas"]["KeyRequest"]["properties"]["user_id"]
    assert described["description"] == "the key of the member"


def test_a_key_that_is_a_number_is_a_number_in_every_request(tmp_path: Path) -> None:
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    own = tmp_path / "catalog.toml"
    own.write_text(text.replace('type = "string"\nmax', 'type = "int"\nmax', 1), encoding="utf-8")
    schemas = document(load_catalog(own))["components"]["schemas"]
    assert schemas["KeyRequest"]["properties"]["user_id"]["type"] == "integer"
    assert schemas["InvocationRecord"]["properties"]["user_id"]["type"] == "integer"
    assert schemas["InputTensor"]["properties"]["datatype"]["const"] == "INT64"


def test_a_body_without_its_type_is_refused_by_a_sentence_that_says_what_to_send() -> None:
    """The clients of KServe and of Triton send no type by themselves."""

    async def infer(body: Any) -> None:
        """Take a request."""

    infer.__annotations__["body"] = build_inference_request(load_catalog(None), 1)
    app = FastAPI()
    app.post("/")(infer)

    @app.exception_handler(RequestValidationError)
    async def answer(_: Request, error: RequestValidationError) -> PlainTextResponse:
        return PlainTextResponse(describe_mistakes(error), status_code=422)

    tensor = {"name": "user_id", "datatype": "BYTES", "shape": [1], "data": ["a"]}
    content = json.dumps({"inputs": [tensor]})
    client = TestClient(app)
    assert client.post(
        "/", content=content, headers={"Content-Type": "application/json"}
    ).is_success
    for headers in ({}, {"Content-Type": "text/plain"}):
        refused = client.post("/", content=content, headers=headers).text
        assert refused == "body: send it with the header 'Content-Type: application/json'"
    assert client.post("/").text == "body: Field required"


def list_schemas(described: Any, schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema, and all schemas that it has inside."""
    if isinstance(described, list):
        for part in described:
            yield from list_schemas(part, schemas)
    elif isinstance(described, dict):
        yield described
        name = described.get("$ref", "").rpartition("/")[2]
        yield from list_schemas([*described.values(), schemas.get(name)], schemas)


def test_every_list_of_a_request_has_a_limit() -> None:
    """Else a body of 1 MB has 500,000 mistakes, and to list them takes seconds."""
    written = document()
    bodies = [operation.get("requestBody") for operation in operations(written).values()]
    schemas = list_schemas(bodies, written["components"]["schemas"])
    lists = [schema for schema in schemas if schema.get("type") == "array"]
    assert len(lists) > 10
    assert all("maxItems" in schema for schema in lists)


def test_a_list_has_a_limit_of_its_own_and_no_depth_that_fails() -> None:
    rows = b"[" + b",".join([b"[1]"] * MAX_CONTAINERS) + b"]"
    for body, limit, is_read in (
        (rows, MAX_CONTAINERS, False),
        (rows, MAX_CONTAINERS + 1, True),
        (b"[" * 200_000, 300_000, False),
    ):
        try:
            loads(body, limit)
        except ValueError:
            assert not is_read
        else:
            assert is_read
