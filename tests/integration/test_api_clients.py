"""Clients of the API that are not ours.

Generated clients, the Open Inference Protocol and MLflow's client, against one real API with keys.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema
import mlflow
import pandas as pd
import pytest
import requests
from conftest import Cluster
from mlflow import MlflowClient
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from support.api import served
from support.generated_clients import generate_python_client, run_typescript_client
from support.processes import wait_for
from support.scrape import Raw, call
from support.states import JANUARY_SERVED, in_state

from streamflow.api.openapi import EXAMPLES
from streamflow.models.stages import ignore_stage_warnings
from streamflow.platform import Platform
from streamflow.steps.promotion.promote import promote
from streamflow.steps.serving.api_keys import create_key

ROOT = Path(__file__).parents[2]
KEY = "7590-VHVEG"
NOBODY = "nobody"
MODEL = "streamflow_churn"
MAX_BODY = 100_000
MAX_IDS = 40
CLIENT_LIMIT_S = 5
WRITES_EXAMPLES = bool(os.environ.get("STREAMFLOW_WRITE_EXAMPLES"))

INFER = f"/v2/models/{MODEL}/infer"
TENSOR = {"name": "user_id", "datatype": "BYTES", "shape": [1], "data": [KEY]}
SPLIT = {"columns": ["user_id"], "data": [[KEY]]}
# Operation -> the body that is answered.
BODIES: dict[str, dict[str, Any]] = {
    "predict": {"user_id": KEY},
    "predict_batch": {"user_ids": [KEY, NOBODY]},
    "explain": {"user_id": KEY},
    "infer": {"id": "42", "inputs": [TENSOR]},
    "invoke": {"dataframe_split": SPLIT},
}
# Operation -> the body of a key that nobody has.
UNKNOWN: dict[str, dict[str, Any]] = {
    "predict": {"user_id": NOBODY},
    "explain": {"user_id": NOBODY},
    "infer": {"inputs": [{**TENSOR, "data": [NOBODY]}]},
    "invoke": {"inputs": [NOBODY]},
}
PARAMETERS = {"user_id": KEY, "model_name": MODEL}
# These are 503 only while the keys cannot be read: tests/unit/api/test_middleware.py.
ONLY_WITHOUT_KEYS = {"get_inference_server", "get_inference_model", "get_mlflow_version"}
# What differs from answer to answer, or from release to release.
VOLATILE = {"run_id", "age_days", "since", "loaded"}


@dataclass(frozen=True, kw_only=True)
class Served:
    """A served API that needs keys, one key for all, one for the metrics alone."""

    platform: Platform
    base: str
    key: str
    metrics_key: str
    document: dict[str, Any]

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Raw:
        data = None if body is None else json.dumps(body).encode()
        return call(self.base, method, path, data, {"X-API-Key": self.key, **headers})

    def post(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        answer = self.ask("POST", path, body)
        return answer.status, json.loads(answer.text)

    def operations(self) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        """Operation id, method, path and description of each operation."""
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield operation["operationId"], method.upper(), path, operation


@pytest.fixture(scope="module")
def api(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("clients") / "home"
    extra = {
        "STREAMFLOW_API_AUTH": "on",
        "STREAMFLOW_API_MAX_BODY": str(MAX_BODY),
        "STREAMFLOW_API_MAX_IDS": str(MAX_IDS),
        "STREAMFLOW_API_CLIENT_LIMIT": str(CLIENT_LIMIT_S),
    }
    with in_state(cluster, JANUARY_SERVED, simulated_drops, home) as platform:
        key = create_key(platform, "client", scope="predict", days=None).key
        metrics_key = create_key(platform, "scraper", scope="metrics", days=None).key
        with served(platform, extra=extra) as base:
            document = call(base, "GET", "/openapi.json", headers={"X-API-Key": key}).text
            yield Served(
                platform=platform,
                base=base,
                key=key,
                metrics_key=metrics_key,
                document=json.loads(document),
            )


def concrete(path: str, **changes: str) -> str:
    """The path with its parameters filled in."""
    return path.format(**{**PARAMETERS, **changes})


def send_half(api: Served, path: str) -> Raw:
    """Announce a body, and do not send it."""
    address = urlsplit(api.base)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {api.key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n"
    )
    assert address.hostname is not None
    assert address.port is not None
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(head.encode())
        content = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    lines, _, text = content.partition("\r\n\r\n")
    return Raw(int(lines.split()[1]), {}, text)


def provoke(api: Served) -> dict[str, dict[int, Raw]]:
    """Operation -> status -> an answer with it; for all but those of a part that is missing."""
    answers: dict[str, dict[int, Raw]] = {}
    bodies_too_slow = {}
    with ThreadPoolExecutor() as pool:
        for operation, method, path, _ in api.operations():
            place, body = concrete(path), BODIES.get(operation)
            attempts = [
                api.ask(method, place, body),
                api.ask(method, place, body, Host="evil.example"),
                api.ask(method, place, body, **{"X-Long": "a" * 70_000}),
                api.ask(method, place, body, **{"X-API-Key": ""}),
                api.ask(method, place, body, **{"X-API-Key": api.metrics_key}),
            ]
            if operation in UNKNOWN:
                attempts.append(api.ask(method, place, UNKNOWN[operation]))
            elif "{" in path:
                strange = dict.fromkeys(PARAMETERS, NOBODY)
                attempts.append(api.ask(method, concrete(path, **strange), body))
            if operation == "get_features":
                attempts.append(api.ask(method, concrete(path, user_id="")))
            if body is not None:
                attempts.append(api.ask(method, place, {"unknown": KEY}))
                attempts.append(api.ask(method, place, {"user_id": "x" * MAX_BODY}))
                bodies_too_slow[operation] = pool.submit(send_half, api, place)
            answers[operation] = {answer.status: answer for answer in attempts}
    for operation, late in bodies_too_slow.items():
        answers[operation][late.result().status] = late.result()
    return answers


def content_of(answer: Raw) -> Any:
    is_json = answer.headers.get("content-type", "application/json") == "application/json"
    return json.loads(answer.text) if is_json else answer.text


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """The document, in which an answer has no field that the document lacks."""
    closed = deepcopy(document)
    for schema in closed["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return closed


def require_described(document: dict[str, Any], operation: dict[str, Any], answer: Raw) -> None:
    """The answer is one that the document describes, field by field."""
    (media_type, content), *_ = operation["responses"][str(answer.status)]["content"].items()
    assert answer.headers.get("content-type", media_type).partition(";")[0] == media_type
    schema = {**content["schema"], "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(content_of(answer))


def masked(value: Any) -> Any:
    """A value with what differs from answer to answer replaced, and floats rounded."""
    if isinstance(value, dict):
        hidden = {*VOLATILE, "data"} if value.get("name") in VOLATILE else VOLATILE  # a tensor
        return {name: "…" if name in hidden else masked(content) for name, content in value.items()}
    if isinstance(value, list):
        return [masked(element) for element in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def parameters_of(path: str) -> dict[str, str]:
    return {name: value for name, value in PARAMETERS.items() if f"{{{name}}}" in path}


def example_of(operation: str, path: str, answers: dict[int, Raw]) -> dict[str, Any]:
    """What the file of examples has of one operation."""
    example: dict[str, Any] = {"parameters": parameters_of(path)}
    if operation in BODIES:
        example["body"] = BODIES[operation]
    example["answers"] = {str(s): content_of(answer) for s, answer in sorted(answers.items())}
    return example


def test_each_operation_gives_each_status_of_the_document_and_no_other(api: Served) -> None:
    """The examples of the document are these answers."""
    answers = provoke(api)
    document = strict(api.document)
    for operation, _, _, described in api.operations():
        possible = set(described["responses"]) - {"500", "503"}
        assert set(map(str, answers[operation])) == possible, operation
        for answer in answers[operation].values():
            require_described(document, described, answer)
    examples = {
        operation: example_of(operation, path, answers[operation])
        for operation, _, path, _ in api.operations()
    }
    releases = ("get_inference_server", "get_mlflow_version")
    if WRITES_EXAMPLES:
        text = json.dumps(examples, indent=1, ensure_ascii=False)
        EXAMPLES.write_text(text + "\n", encoding="utf-8")
    stored = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    for named in (examples, stored):
        for operation in releases:
            named[operation]["answers"].pop("200")  # it changes with each release
    assert masked(stored) == masked(examples), "STREAMFLOW_WRITE_EXAMPLES=1 writes them anew"
    written = api.document["paths"]["/predict"]["post"]["responses"]["200"]["content"]
    assert written["application/json"]["example"]["user_id"] == KEY


def test_a_missing_part_is_503_where_the_document_says_so(api: Served) -> None:
    """First the live features are missing, then a version in Production."""
    document = strict(api.document)
    statuses: dict[str, set[int]] = {}

    def ask_all() -> None:
        for operation, method, path, described in api.operations():
            answer = api.ask(method, concrete(path), BODIES.get(operation))
            require_described(document, described, answer)
            statuses.setdefault(operation, set()).add(answer.status)

    api.platform.connection.execute("ALTER TABLE online.usage_agg_30d_fv RENAME TO gone")
    try:
        ask_all()
    finally:
        api.platform.connection.execute("ALTER TABLE online.gone RENAME TO usage_agg_30d_fv")
    client = MlflowClient(api.platform.tracking_uri, registry_uri=api.platform.tracking_uri)
    with ignore_stage_warnings():
        client.transition_model_version_stage(MODEL, "1", "Archived")
    try:
        assert wait_for(lambda: api.ask("GET", "/model").status == 503)
        ask_all()
    finally:
        promote(api.platform, 1, force=True, why="back")
    assert wait_for(lambda: api.ask("GET", "/ready").status == 200)
    possible = {o for o, _, _, described in api.operations() if "503" in described["responses"]}
    assert {o for o, seen in statuses.items() if 503 in seen} == possible - ONLY_WITHOUT_KEYS


def test_a_generated_python_client_calls_every_operation(
    api: Served, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("python_client")
    generated = generate_python_client(api.document, folder, "churn_client")
    # The API ends an idle connection after CLIENT_LIMIT_S.
    limits = httpx.Limits(max_keepalive_connections=0)
    options = {"base_url": api.base, "httpx_args": {"limits": limits}, "timeout": 60}
    with (
        generated.AuthenticatedClient(token=api.key, **options) as client,
        generated.Client(**options) as stranger,
    ):
        answers = {}
        for operation, _, path, described in api.operations():
            group = described["tags"][0].replace(" ", "_")
            module = importlib.import_module(f"churn_client.api.{group}.{operation}")
            given: dict[str, Any] = parameters_of(path)
            if operation in BODIES:
                body = inspect.signature(module.sync_detailed).parameters["body"].annotation
                given["body"] = body.from_dict(BODIES[operation])
            answer = module.sync_detailed(client=client, **given)
            assert answer.status_code == 200, operation
            parsed = answer.parsed
            if not isinstance(parsed, str):
                assert parsed.to_dict() == json.loads(answer.content), operation
            answers[operation] = parsed
        predict = importlib.import_module("churn_client.api.predictions.predict")
        body = importlib.import_module("churn_client.models").KeyRequest
        unknown = predict.sync(client=client, body=body(user_id=NOBODY))
        refused = predict.sync(client=stranger, body=body(user_id=KEY))
        run_page(api)
    assert answers["predict"].features_used.monthly_fee == 29.85
    assert answers["infer"].outputs[1].data == [answers["predict"].probability]
    assert (unknown.code, refused.code) == ("entity_unknown", "unauthorized")


def run_page(api: Served) -> None:
    """Run the Python of the page clients.md with the client that was generated."""
    page = (ROOT / "docs" / "how-to" / "clients.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {"key": api.key}
    exec(code.replace("http://localhost:8000", api.base), names)  # noqa: S102 - our own page
    names["client"].get_httpx_client().close()
    assert names["answer"].user_id == KEY


def test_a_generated_typescript_client_calls_every_operation(api: Served, tmp_path: Path) -> None:
    printed = run_typescript_client(api.document, tmp_path, api.base, api.key, KEY)
    operations = {operation for operation, *_ in api.operations()}
    assert {o: found["status"] for o, found in printed["answers"].items()} == dict.fromkeys(
        operations, 200
    )
    _, predicted = api.post("/predict", {"user_id": KEY})
    assert printed["page"]["data"]["probability"] == predicted["probability"]  # of clients.md
    assert printed["answers"]["predict"]["data"]["probability"] == predicted["probability"]
    assert (printed["probability"], printed["monthlyFee"], printed["refusalCode"]) == (
        predicted["probability"],
        predicted["features_used"]["monthly_fee"],
        "unauthorized",
    )


@pytest.fixture
def keys(api: Served) -> list[str]:
    rows = api.platform.connection.execute(
        "SELECT user_id FROM online.subs_profile_fv ORDER BY user_id LIMIT %s", [MAX_IDS]
    ).fetchall()
    return [str(key) for (key,) in rows]


def singles(api: Served, keys: list[str]) -> list[dict[str, Any]]:
    """What /predict answers for each key, without what differs from call to call."""
    answers = []
    for key in keys:
        status, answer = api.post("/predict", {"user_id": key})
        assert status == 200
        answers.append({name: answer[name] for name in ("probability", "prediction", "as_of")})
    return answers


def logged(api: Served, request_id: str) -> dict[str, tuple[float, int, int]]:
    """Key -> what the prediction log has under this request."""
    rows = api.platform.connection.execute(
        "SELECT key, probability, prediction, version FROM streamflow.prediction_log"
        " WHERE request_id = %s",
        [request_id],
    ).fetchall()
    return {
        key: (probability, prediction, version) for key, probability, prediction, version in rows
    }


def tensor(keys: list[str], *, nested: bool = False) -> dict[str, Any]:
    shape, data = ([len(keys), 1], [[key] for key in keys]) if nested else ([len(keys)], keys)
    return {"inputs": [{**TENSOR, "shape": shape, "data": data}]}


def test_the_inference_protocol_gives_the_predictions_of_predict(
    api: Served, keys: list[str]
) -> None:
    """All keys that a request may have, flat and nested, in the order of the request."""
    wanted = singles(api, keys)
    for nested in (False, True):
        answer = api.ask("POST", INFER, tensor(keys, nested=nested), **{"X-Request-ID": "oip"})
        body = json.loads(answer.text)
        assert (body["model_name"], body["model_version"], "id" in body) == (MODEL, "1", False)
        outputs = {output["name"]: output for output in body["outputs"]}
        described = json.loads(api.ask("GET", f"/v2/models/{MODEL}").text)["outputs"]
        for output in described:
            given = outputs[output["name"]]
            assert (given["datatype"], given["shape"]) == (output["datatype"], [len(keys)])
        names = ("probability", "prediction", "as_of")
        rows = zip(*(outputs[name]["data"] for name in names), strict=True)
        assert [dict(zip(names, row, strict=True)) for row in rows] == wanted
    assert logged(api, "oip") == {
        key: (found["probability"], found["prediction"], 1)
        for key, found in zip(keys, wanted, strict=True)
    }
    asked = {**tensor(keys[:1]), "outputs": [{"name": "probability"}], "id": "7"}
    _, body = api.post(INFER, asked)
    assert (body["id"], [output["name"] for output in body["outputs"]]) == ("7", ["probability"])


def test_the_client_of_mlflow_gets_the_predictions_of_predict(
    api: Served, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's client sends no key, so the test adds one to its requests."""
    plain = requests.sessions.default_headers
    monkeypatch.setattr(
        requests.sessions, "default_headers", lambda: {**plain(), "X-API-Key": api.key}
    )
    address = urlsplit(api.base)
    client = ScoringServerClient(address.hostname, address.port)
    client.ping()
    assert client.get_version() == mlflow.__version__
    wanted = singles(api, keys)
    frame = pd.DataFrame({"user_id": keys})
    for data in (
        frame,
        {"dataframe_records": frame.to_dict(orient="records")},
        keys,
        {"inputs": {"user_id": keys}},
    ):
        answer = client.invoke(data) if not isinstance(data, dict) else None
        if answer is None:
            status, body = api.post("/invocations", data)
            assert status == 200
            found = pd.DataFrame(body["predictions"])
        else:
            found = answer.get_predictions()
        assert list(found["user_id"]) == keys
        assert found[list(wanted[0])].to_dict(orient="records") == wanted


def counted(api: Served) -> list[str]:
    """The counters of predictions."""
    text = api.ask("GET", "/metrics").text
    return [line for line in text.splitlines() if line.startswith("streamflow_predictions_total")]


def test_a_request_is_answered_whole_or_refused_and_neither_logged_nor_counted(
    api: Served, keys: list[str]
) -> None:
    mixed = [keys[0], NOBODY, keys[1]]
    before = counted(api)
    for path, body in ((INFER, tensor(mixed)), ("/invocations", {"inputs": mixed})):
        refused = api.ask("POST", path, body, **{"X-Request-ID": "mixed"})
        expected = api.ask("POST", "/predict", {"user_id": NOBODY})
        assert (refused.status, refused.text) == (404, expected.text)
    assert logged(api, "mixed") == {}
    assert counted(api) == before
    assert before


def wrong_bodies(keys: list[str]) -> Iterator[tuple[str, object]]:
    """Path and body of requests that break the protocol, or a limit."""
    too_long = [*keys, keys[0]]
    for body in (
        tensor(too_long), {"inputs": []}, {"inputs": [TENSOR, TENSOR]}, {"inputs": TENSOR},
        *({"inputs": [{**TENSOR, **change}]} for change in (
            {"name": "months_active"}, {"datatype": "FP64"}, {"shape": [2]}, {"shape": [1, 2]},
            {"shape": []}, {"shape": [-1]}, {"shape": [0], "data": []}, {"data": [7590]},
            {"data": ["a\0b"]}, {"data": [[KEY], KEY]}, {"data": None}, {"shape": [1, 1, 1]},
        )),
        {"inputs": [TENSOR], "outputs": [{"name": "logits"}]}, {"inputs": [TENSOR], "id": 7},
        {"inputs": [TENSOR], "batch": True},
    ):  # fmt: skip
        yield INFER, body
    for body in (
        {}, {"inputs": too_long}, {"inputs": []}, {"inputs": KEY}, {"inputs": [KEY], "params": {}},
        {"inputs": [KEY], "dataframe_split": SPLIT}, {"inputs": {"user": [KEY]}}, {"inputs": None},
        {"dataframe_split": {**SPLIT, "columns": ["user_id", "monthly_fee"]}},
        {"dataframe_split": {**SPLIT, "columns": ["monthly_fee"]}},
        {"dataframe_split": {**SPLIT, "data": [KEY]}},
        {"dataframe_split": {**SPLIT, "data": [[KEY, 29.85]]}},
        {"dataframe_records": [{"user_id": KEY, "monthly_fee": 29.85}]},
        {"dataframe_records": [{"user_id": key} for key in too_long]},
        {"instances": [KEY]}, [[[[[[KEY]]]]]],
    ):  # fmt: skip
        yield "/invocations", body


def test_a_request_that_breaks_the_protocol_is_refused_with_our_error(
    api: Served, keys: list[str]
) -> None:
    for path, body in wrong_bodies(keys):
        status, answer = api.post(path, body)
        assert (status, answer.get("code")) == (422, "malformed_request"), (path, body)
    for path in ("/v2/models/other", "/v2/models/other/ready"):
        assert api.ask("GET", path).status == 404
    status, answer = api.post("/v2/models/other/infer", tensor([KEY]))
    assert (status, answer["code"]) == (404, "not_found")
    assert "'streamflow_churn'" in answer["error"]
