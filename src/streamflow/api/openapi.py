"""What the OpenAPI document has beyond what FastAPI writes: keys, and examples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from streamflow.api.endpoint_scopes import OPEN_PATHS
from streamflow.catalog import Catalog, load_catalog

# Operation -> its request, and status -> its answer. The API gave these answers itself, with the
# catalog that comes with streamflow and simulated drops. A test compares them with the API's.
EXAMPLES = Path(__file__).parent / "examples.json"

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key as a bearer token."},
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A key in a header of its own.",
    },
}
# FastAPI's own answer to a wrong request. The API never gives it.
FOREIGN_SCHEMAS = ("HTTPValidationError", "ValidationError")
FOREIGN_ANSWER = f"#/components/schemas/{FOREIGN_SCHEMAS[0]}"

KEY_NEEDED: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}]
# Where no key is needed, a client may send one nevertheless.
KEY_OPTIONAL = [*KEY_NEEDED, {}]


def extend_document(app: FastAPI, catalog: Catalog, *, keys_needed: bool) -> None:
    """Add keys and examples to the OpenAPI document of an application.

    Args:
        app: the application
        catalog: the catalog of the installation; the examples are of the catalog that comes with
            streamflow, and are left out for a different one
        keys_needed: whether a request needs an API key
    """
    build_document = app.openapi
    examples = _read_examples(catalog)

    def build_extended_document() -> dict[str, Any]:
        is_new = app.openapi_schema is None
        document = build_document()
        if is_new:
            document["components"]["securitySchemes"] = SCHEMES
            for schema in FOREIGN_SCHEMAS:
                document["components"]["schemas"].pop(schema, None)
            for path, operation in _list_operations(document):
                guarded = KEY_NEEDED if keys_needed else KEY_OPTIONAL
                operation["security"] = [] if path in OPEN_PATHS else guarded
                _remove_foreign_answers(operation)
                _add_examples(operation, examples.get(operation["operationId"], {}))
        return document

    # FastAPI itself documents this way to extend the document.
    app.openapi = build_extended_document  # type: ignore[method-assign]


def _read_examples(catalog: Catalog) -> dict[str, Any]:
    if catalog != load_catalog(None):
        return {}
    examples: dict[str, Any] = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return examples


def _list_operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            yield path, operation


def _remove_foreign_answers(operation: dict[str, Any]) -> None:
    """Remove the status 422 where no operation gives it: FastAPI adds it for every parameter."""
    for status, answer in list(operation["responses"].items()):
        content = answer.get("content", {}).get("application/json", {})
        if content.get("schema", {}).get("$ref") == FOREIGN_ANSWER:
            del operation["responses"][status]


def _add_examples(operation: dict[str, Any], examples: Mapping[str, Any]) -> None:
    """Add the example of the request and of each answer to an operation."""
    if "body" in examples:
        operation["requestBody"]["content"]["application/json"]["example"] = examples["body"]
    for parameter in operation.get("parameters", []):
        if parameter["name"] in examples.get("parameters", {}):
            parameter["example"] = examples["parameters"][parameter["name"]]
    for status, answer in examples.get("answers", {}).items():
        (content,) = operation["responses"][status]["content"].values()
        content["example"] = answer
